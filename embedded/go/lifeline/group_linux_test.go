package lifeline

import "testing"

func TestAKilledPluginLeavesNoCommandBehind(t *testing.T) {
	command, _, child := plugin(t, "by Run")
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed
	eventually(t, "the child's end", func() bool { return !runs(t, child) })
}
