package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Variable is an environment variable that begins as ours do and sets
// nothing.
type Variable struct {
	Name  string
	Meant string // the variable that it is probably meant to be, or ""
	Empty bool   // it is one of ours, and its value is empty
}

// Unused returns the variables of an environment, as os.Environ gives it, that
// begin with ATHENATRAIL_ and set nothing, in order.
func Unused(environ []string) (unused []Variable) {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		key, ours := strings.CutPrefix(name, envPrefix)
		if !ours {
			continue
		}
		_, known := settings[strings.ToLower(key)]
		switch {
		case (known || key == "CONFIG") && strings.ToUpper(key) == key:
			if value == "" {
				unused = append(unused, Variable{Name: clip(name), Empty: true})
			}
		default:
			unused = append(unused, Variable{Name: clip(name), Meant: meantVariable(key)})
		}
	}
	slices.SortFunc(unused, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return unused
}

// meantVariable returns the variable that has nearly this name behind the
// prefix: a letter or two away, or with another ending, as LAKE_ARN has.
func meantVariable(key string) string {
	names := append([]string{"config"}, keys...)
	key = strings.ToLower(key)
	near := nearest(key, names, 2)
	if near == "" {
		for _, name := range names {
			longer, shorter := key, name
			if len(name) > len(key) {
				longer, shorter = name, key
			}
			if len(shorter) > 2 && strings.HasPrefix(longer, shorter+"_") && len(name) > len(near) {
				near = name
			}
		}
	}
	if near == "" {
		return ""
	}
	return envName(near)
}

// misspelt are the warnings of every command: of names that are nearly, but not
// quite, those of a setting. Others are left alone: tests and wrappers have
// theirs.
func misspelt(environ []string) (warnings []string) {
	for _, v := range Unused(environ) {
		if v.Meant != "" {
			warnings = append(warnings, fmt.Sprintf("%s is not a setting; did you mean %s?", v.Name, v.Meant))
		}
	}
	return warnings
}
