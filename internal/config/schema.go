package config

import (
	"bytes"
	"encoding/json"
)

// Schema is the JSON Schema of configuration files, made of [Keys].
func Schema() string {
	properties := object{}
	for _, k := range Keys {
		s := k.schema()
		for _, name := range k.names() {
			properties[name] = s
		}
	}
	app := object{
		"type": "object", "properties": properties, "additionalProperties": false,
		"patternProperties": object{"^env_(?!file$).+": object{"type": []string{"object", "array", "string"}, "description": "With --env NAME, over env: env_NAME"}},
		"anyOf":             oneOf("required", "script", "cmd", "command", "exec"),
	}
	apps := object{"type": []string{"array", "object"}, "items": object{"$ref": "#/definitions/app"}, "if": object{"type": "object"}, "then": object{"$ref": "#/definitions/app"}, "minItems": 1}
	file := object{
		"type": "object", "anyOf": oneOf("required", "apps", "pm2", "static"),
		"properties": object{
			"apps": apps, "pm2": apps, "$schema": object{"type": "string"},
			"deploy": object{"type": "object", "description": "Of pm2 deploy; its env of the section chosen counts"},
			"static": site(),
		},
		"additionalProperties": false,
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(object{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "tend configuration",
		"description": "Apps for tend to run; pm2's ecosystem files are such too.",
		"definitions": object{"app": app, "file": file},
		"if":          object{"type": "array"},
		"then":        object{"items": object{"$ref": "#/definitions/app"}, "minItems": 1},
		"else":        object{"if": object{"anyOf": oneOf("required", "apps", "pm2", "static")}, "then": object{"$ref": "#/definitions/file"}, "else": object{"$ref": "#/definitions/app"}},
	}); err != nil {
		panic(err) // of maps and texts of ours
	}
	return b.String()
}

type object map[string]any

// site is what an entry under static can be.
func site() object {
	text, flag := object{"type": []string{"string", "number"}}, object{"type": []string{"boolean", "string"}}
	one := object{"type": "object", "required": []string{"path"}, "properties": object{
		"name": object{"type": "string"}, "path": object{"type": "string"}, "port": text, "host": text, "homepage": text,
		"spa": flag, "ftp": flag, "directory": flag,
		"basic_auth": object{"type": "object", "required": []string{"username", "password"}},
	}}
	return object{"description": "Folders to serve, an app each", "type": []string{"array", "object"}, "items": one}
}

// oneOf asks for one of the keys.
func oneOf(how string, keys ...string) (list []object) {
	for _, key := range keys {
		list = append(list, object{how: []string{key}})
	}
	return list
}

// schema is what the key's value can be. null is as if the key were not there.
func (k Key) schema() object {
	s := object{"description": k.Doc}
	if k.Later != "" {
		s["description"] = k.Doc + " (accepted only: " + k.Later + ")"
	}
	if k.Ignored != "" {
		s["description"] = k.Doc + " (ignored: " + k.Ignored + ")"
	}
	if k.Later != "" || k.Ignored != "" {
		return s
	}
	scalars := object{"type": []string{"string", "number", "boolean"}}
	variants := map[Kind][]object{
		Text:      {{"type": []string{"string", "number", "null"}}},
		Switch:    {{"type": []string{"boolean", "null"}}, {"const": ""}},
		Number:    {{"type": "integer", "minimum": 0}, {"type": "string", "pattern": `^\s*\+?[0-9]*\s*$`}, {"type": "null"}},
		Duration:  {{"type": "integer", "minimum": 0}, {"type": "string", "pattern": `^\s*(\+?[0-9]+|\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*\s*$`}, {"type": "null"}},
		Size:      {{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": `^\+?([0-9]+(\.[0-9]*)?)?[KMGTkmgt]?[Bb]?$`}, {"type": "null"}},
		Count:     {{"type": "integer", "maximum": 10000}, {"type": "string", "pattern": `^([-+]?[0-9]*|max)$`}, {"type": "null"}},
		Words:     {{"type": []string{"string", "null"}}, {"type": "array", "items": scalars}},
		Texts:     {{"type": []string{"string", "number", "null"}}, {"type": "array", "items": scalars}},
		Codes:     {{"type": "integer", "minimum": 0, "maximum": 255}, {"type": "string", "pattern": `^[0-9 ,]*$`}, {"type": "null"}, {"type": "array", "items": object{"type": []string{"integer", "string"}, "minimum": 0, "maximum": 255, "pattern": "^[0-9]+$"}}},
		Variables: {{"type": "object", "propertyNames": object{"pattern": "^[^=]+$"}}, {"type": "null"}, {"const": ""}},
		Filter:    {{"type": []string{"boolean", "string", "number", "null"}}, {"type": "array", "items": scalars}},
	}[k.Kind]
	if k.Name == "env_file" { // may be the section called file
		variants = append(variants, object{"type": "object"})
	}
	if len(variants) == 1 {
		s["type"] = variants[0]["type"]
	} else {
		s["anyOf"] = variants
	}
	return s
}
