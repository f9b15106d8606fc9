// Package ssa has the two functions by which the Kubernetes plugin handles the managed fields of an object: who owns
// which of its fields. It takes the place of github.com/fluxcd/pkg/ssa in this module.
package ssa

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v4/fieldpath"
)

// FieldManager names those who manage fields: by the beginning of their name and by how they set the fields.
type FieldManager struct {
	Name          string
	OperationType metav1.ManagedFieldsOperationType
}

// Patch is one operation of a JSON patch (RFC 6902) on an object's managed fields.
type Patch struct {
	Operation string                      `json:"op"`
	Path      string                      `json:"path"`
	Value     []metav1.ManagedFieldsEntry `json:"value,omitempty"`
}

// FieldsToSet gives the set of the paths that an entry of managed fields lists.
func FieldsToSet(fields metav1.FieldsV1) (fieldpath.Set, error) {
	var set fieldpath.Set
	err := set.FromJSON(bytes.NewReader(fields.Raw))
	return set, err
}

// PatchReplaceFieldsManagers makes the patch by which one server-side applier, called name, comes to own what it owns
// already and what any of the managers own. The patch is empty where they own nothing.
func PatchReplaceFieldsManagers(
	object *unstructured.Unstructured, managers []FieldManager, name string,
) ([]Patch, error) {
	var others []metav1.ManagedFieldsEntry
	var owner *metav1.ManagedFieldsEntry
	replaced := []metav1.ManagedFieldsEntry{}
	for _, entry := range object.GetManagedFields() {
		switch {
		case owner == nil && entry.Manager == name && entry.Operation == metav1.ManagedFieldsOperationApply:
			owner = &entry
		case isOneOf(managers, entry):
			replaced = append(replaced, entry)
		default:
			others = append(others, entry)
		}
	}
	if len(replaced) == 0 {
		return nil, nil
	}
	if owner == nil {
		owner, replaced = &replaced[0], replaced[1:]
		owner.Manager, owner.Operation = name, metav1.ManagedFieldsOperationApply
	}
	for _, entry := range replaced {
		if err := add(owner, entry.FieldsV1); err != nil {
			return nil, fmt.Errorf("managed fields of %s %q: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return []Patch{{Operation: "replace", Path: "/metadata/managedFields", Value: append(others, *owner)}}, nil
}

func isOneOf(managers []FieldManager, entry metav1.ManagedFieldsEntry) bool {
	return entry.Subresource == "" && slices.ContainsFunc(managers, func(manager FieldManager) bool {
		return strings.HasPrefix(entry.Manager, manager.Name) && entry.Operation == manager.OperationType
	})
}

// add makes an entry own further fields.
func add(entry *metav1.ManagedFieldsEntry, fields *metav1.FieldsV1) error {
	if fields == nil {
		return nil
	}
	if entry.FieldsV1 == nil {
		entry.FieldsV1 = fields
		return nil
	}
	own, err := FieldsToSet(*entry.FieldsV1)
	if err != nil {
		return err
	}
	further, err := FieldsToSet(*fields)
	if err != nil {
		return err
	}
	raw, err := own.Union(&further).ToJSON()
	entry.FieldsV1 = &metav1.FieldsV1{Raw: raw}
	return err
}
