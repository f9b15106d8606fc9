package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

const (
	commandType = "command:local:Command"
	runFunction = "command:local:run"
)

// The schema is what the documentation, `pulumi package get-schema` and the checks below know of the plugin.
//
//go:embed schema.json
var schemaText []byte

var schema = parseSchema()

// propertyType is a property's type in the schema.
type propertyType struct {
	Type                 string        `json:"type"`
	Ref                  string        `json:"$ref"`
	Items                *propertyType `json:"items"`
	AdditionalProperties *propertyType `json:"additionalProperties"`
	ReplaceOnChanges     bool          `json:"replaceOnChanges"`
}

type properties map[string]*propertyType

type schemaParts struct {
	Types map[string]struct {
		Enum []struct {
			Value string `json:"value"`
		} `json:"enum"`
	} `json:"types"`
	Resources map[string]struct {
		InputProperties properties `json:"inputProperties"`
	} `json:"resources"`
	Functions map[string]struct {
		Inputs struct {
			Properties properties `json:"properties"`
		} `json:"inputs"`
	} `json:"functions"`
}

func parseSchema() schemaParts {
	var parts schemaParts
	if err := json.Unmarshal(schemaText, &parts); err != nil {
		panic(fmt.Sprintf("schema.json: %v", err))
	}
	return parts
}

// schemaOf is the schema with the plugin's version.
func schemaOf(version string) (string, error) {
	var whole map[string]any
	if err := json.Unmarshal(schemaText, &whole); err != nil {
		return "", err
	}
	whole["version"] = version
	text, err := json.Marshal(whole)
	return string(text), err
}

// failures are what is wrong with inputs. They tell no values, which may be secret.
func (known properties) failures(inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	var found []*pulumirpc.CheckFailure
	for _, key := range inputs.StableKeys() {
		name := string(key)
		if strings.HasPrefix(name, "__") || name == "version" { // the engine's own
			continue
		}
		reason := ""
		if kind, isKnown := known[name]; isKnown {
			reason = kind.mismatch(name, inputs[key])
		} else {
			reason = fmt.Sprintf(
				"%s is not known to this stand-in of pulumi-command; accepted: %s",
				name, strings.Join(slices.Sorted(maps.Keys(known)), ", "),
			)
		}
		if reason != "" {
			found = append(found, &pulumirpc.CheckFailure{Property: name, Reason: reason})
		}
	}
	return found
}

// mismatch says why a value is not of the type; it is empty if the value is, or may become so.
func (t *propertyType) mismatch(name string, value resource.PropertyValue) string {
	if value.IsComputed() || value.IsOutput() {
		return ""
	}
	if value.IsSecret() {
		return t.mismatch(name, value.SecretValue().Element)
	}
	expected := ""
	switch {
	case t.Type == "string" && !value.IsString():
		expected = "a string"
	case t.Type == "boolean" && !value.IsBool():
		expected = "true or false"
	case t.Type == "array" && !value.IsArray():
		expected = "a list"
	case t.Type == "object" && !value.IsObject():
		expected = "a map"
	case t.Type == "array":
		for index, item := range value.ArrayValue() {
			if reason := t.Items.mismatch(fmt.Sprintf("%s[%d]", name, index), item); reason != "" {
				return reason
			}
		}
	case t.Type == "object":
		for _, key := range value.ObjectValue().StableKeys() {
			item := value.ObjectValue()[key]
			if reason := t.AdditionalProperties.mismatch(name+"."+string(key), item); reason != "" {
				return reason
			}
		}
	default:
		return t.notEnumerated(name, value)
	}
	if expected == "" {
		return ""
	}
	return fmt.Sprintf("%s is of type %s; accepted: %s", name, value.TypeString(), expected)
}

// notEnumerated is a mismatch with a type that lists its values.
func (t *propertyType) notEnumerated(name string, value resource.PropertyValue) string {
	enumeration, isEnumeration := schema.Types[strings.TrimPrefix(t.Ref, "#/types/")]
	if !isEnumeration {
		return ""
	}
	var accepted []string
	for _, item := range enumeration.Enum {
		if value.IsString() && value.StringValue() == item.Value {
			return ""
		}
		accepted = append(accepted, item.Value)
	}
	return fmt.Sprintf("%s is %v; accepted: %s", name, value.V, strings.Join(accepted, ", "))
}
