package lifeline

import "syscall"

// ownGroup also ends the leader of the group, but not its children, when the plugin is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
