package ssa

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var kubectl = []FieldManager{{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate}}

func entry(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{
		Manager: manager, Operation: operation, FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)},
	}
}

func patched(t *testing.T, entries ...metav1.ManagedFieldsEntry) string {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap"}}
	object.SetManagedFields(entries)
	patches, err := PatchReplaceFieldsManagers(object, kubectl, "ours")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(patches)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func expect(t *testing.T, got, expected string) {
	t.Helper()
	if got != expected {
		t.Fatalf("got\n%s\nexpected\n%s", got, expected)
	}
}

func TestFieldsOfReplacedManagersAreAddedToTheOwners(t *testing.T) {
	expect(t, patched(
		t,
		entry("kubectl-edit", "Update", `{"f:data":{"f:a":{}}}`),
		entry("someone", "Update", `{"f:data":{"f:s":{}}}`),
		entry("ours", "Apply", `{"f:data":{"f:b":{}}}`),
	), `[{"op":"replace","path":"/metadata/managedFields","value":[`+
		`{"manager":"someone","operation":"Update","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:s":{}}}},`+
		`{"manager":"ours","operation":"Apply","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}}]}]`)
}

func TestAnOwnerThatIsNewTakesTheFirstReplacedManagersEntry(t *testing.T) {
	expect(t, patched(
		t,
		entry("kubectl-edit", "Update", `{"f:data":{"f:a":{}}}`),
		entry("kubectl", "Update", `{"f:data":{"f:b":{}}}`),
	), `[{"op":"replace","path":"/metadata/managedFields","value":[`+
		`{"manager":"ours","operation":"Apply","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:a":{},"f:b":{}}}}]}]`)
}

func TestNothingIsPatchedWhereNoManagerIsReplaced(t *testing.T) {
	status := entry("kubectl", "Update", `{"f:status":{}}`)
	status.Subresource = "status"
	expect(t, patched(
		t,
		entry("ours", "Apply", `{"f:data":{"f:b":{}}}`),
		entry("kubectl", "Apply", `{"f:data":{"f:a":{}}}`),
		status,
	), "null")
}

func TestFieldsThatCannotBeReadAreAnError(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"kind": "ConfigMap"}}
	object.SetName("settings")
	broken := entry("ours", "Apply", `{}`)
	object.SetManagedFields([]metav1.ManagedFieldsEntry{broken, entry("kubectl", "Update", `{"k:no JSON":{}}`)})
	_, err := PatchReplaceFieldsManagers(object, kubectl, "ours")
	if err == nil {
		t.Fatal("expected an error")
	}
}
