// Package kubernetes has the arguments of objects whose type is known only when the program runs.
package kubernetes

import "reflect"

// UntypedArgs are an object as its manifest has it.
type UntypedArgs map[string]any

// ElementType tells the SDK that arguments are a map.
func (UntypedArgs) ElementType() reflect.Type {
	return reflect.TypeFor[map[string]any]()
}
