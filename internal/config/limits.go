package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/limit"
)

// setLimits reads the definitions, and has those that could be read checked
// together.
func setLimits(c *Config, path string, n node) []error {
	c.Limits = nil
	wrong := eachItem(path, n, func(path string, item node) []error {
		var d limit.Definition
		word := func(field *string) func(*Config, string, node) []error {
			return one(func(_ *Config, text string) string {
				*field = text
				return someText(text)
			})
		}
		wrong := eachField(c, path, item, map[string]func(*Config, string, node) []error{
			"name":         word(&d.Name),
			"per":          word(&d.Per),
			"measure":      word(&d.Measure),
			"window":       word(&d.Window),
			"amount":       word(&d.Amount),
			"timezone":     word(&d.Timezone),
			"mode":         word(&d.Mode),
			"cutoff":       word(&d.Cutoff),
			"thresholds":   setThresholds(&d.Thresholds),
			"ask_for_more": word(&d.AskForMore),
			"allow_shared": one(func(_ *Config, text string) string {
				d.AllowShared = text == "true"
				if text != "true" && text != "false" {
					return "true or false"
				}
				return ""
			}),
			"match": func(c *Config, path string, n node) []error {
				return eachField(c, path, n, matchFields(&d.Match))
			},
			"exempt": func(c *Config, path string, n node) []error {
				d.Exempt = nil
				return eachItem(path, n, func(path string, item node) []error {
					var e limit.Exempt
					fields := matchFields(&e.Match)
					fields["until"], fields["reason"] = word(&e.Until), word(&e.Reason)
					wrong := eachField(c, path, item, fields)
					d.Exempt = append(d.Exempt, e)
					return wrong
				})
			},
		})
		c.Limits = append(c.Limits, d)
		return wrong
	})
	delete(c.later, path)
	if len(wrong) > 0 {
		return wrong
	}
	_, err := c.CompileLimits()
	for _, err := range split(err) {
		var e *limit.FieldError
		if !errors.As(err, &e) {
			wrong = append(wrong, n.place.errorf("%v", err))
			continue
		}
		wrong = append(wrong, n.items[e.Index].within(e.Field).errorf("%v", err))
	}
	if len(wrong) == 0 {
		c.later[path] = func() []error { return checkCurrencies(c, n) }
	}
	return wrong
}

// CompileLimits returns the limits, ready for use.
func (c *Config) CompileLimits() (*limit.Limits, error) {
	return limit.Compile(c.Limits, limit.Options{Zone: c.Timezone, LoadZone: time.LoadLocation, Protect: c.Protect})
}

// checkCurrencies refuses limits of money in a currency that no price has: all
// that is used would be in others, and none of it counted.
func checkCurrencies(c *Config, n node) (wrong []error) {
	known := []string{"CNY", "USD"} // of AWS's list
	for _, p := range c.Prices {
		if p.Currency != "" {
			known = append(known, p.Currency)
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	compiled, err := c.CompileLimits()
	if err != nil {
		return []error{n.place.errorf("%v", err)}
	}
	for i, l := range compiled.All() {
		if l.Measure == limit.Cost && !slices.Contains(known, l.Amount.Unit) {
			wrong = append(wrong, n.items[i].at("amount").errorf("limits[%d].amount %q: no price is in %s: want one of %s, or say in prices what Athena costs in it",
				i, clip(c.Limits[i].Amount), l.Amount.Unit, strings.Join(known, ", ")))
		}
	}
	return wrong
}

// matchFields are the keys of whom a limit, or an exemption from one, is for:
// each a pattern or a list of them.
func matchFields(m *limit.Match) map[string]func(*Config, string, node) []error {
	fields := map[string]func(*Config, string, node) []error{}
	for name, field := range map[string]*[]string{
		"person": &m.Person, "person_kind": &m.PersonKind, "team": &m.Team, "role": &m.Role, "account": &m.Account,
		"work_group": &m.WorkGroup, "database": &m.Database, "table": &m.Table, "tool": &m.Tool,
	} {
		fields[name] = func(c *Config, path string, n node) (wrong []error) {
			c.origins[path] = n.place.origin()
			*field, wrong = texts(path, n, someText)
			if len(wrong) == 0 && len(*field) == 0 {
				wrong = append(wrong, n.place.errorf("%s: an empty list matches nobody: leave it out for all", path))
			}
			return wrong
		}
	}
	return fields
}

// setThresholds reads a list of "50%: notify", which YAML takes for a mapping
// where it is not quoted, or one mapping.
func setThresholds(into *[]string) func(*Config, string, node) []error {
	return func(c *Config, path string, n node) (wrong []error) {
		*into = nil
		c.origins[path] = n.place.origin()
		items := n.items
		if n.kind != kindList {
			items = []node{n}
		}
		for _, item := range items {
			switch item.kind {
			case kindScalar:
				*into = append(*into, item.text)
			case kindMapping:
				for _, f := range item.fields {
					if f.value.kind != kindScalar {
						wrong = append(wrong, f.place.errorf("%s: want a percentage and one action, such as 50%%: notify", path))
						continue
					}
					*into = append(*into, f.key+": "+f.value.text)
				}
			default:
				wrong = append(wrong, item.place.errorf("%s: want a percentage and one action, such as 50%%: notify", path))
			}
		}
		return wrong
	}
}

// within returns where a field such as match.person[1] of a mapping stands, or
// the nearest that there is around it.
func (n node) within(field string) place {
	at := n
	for part := range strings.SplitSeq(field, ".") {
		name, index, _ := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		found := false
		for _, f := range at.fields {
			if f.key == name {
				at, found = f.value, true
			}
		}
		if !found {
			return at.place
		}
		i, err := strconv.Atoi(index)
		if err != nil {
			continue
		}
		switch {
		case i < len(at.items):
			at = at.items[i]
		case at.kind == kindMapping && i < len(at.fields): // thresholds as one mapping
			return at.fields[i].place
		}
	}
	return at.place
}

func showLimits(c *Config) (lines []shown) {
	for i, d := range c.Limits {
		prefix := fmt.Sprintf("limits[%d].", i)
		lines = append(lines, given(prefix, "name", d.Name)...)
		lines = append(lines, showMatch(prefix+"match.", &d.Match)...)
		lines = append(lines, given(prefix, "per", d.Per, "measure", d.Measure, "window", d.Window, "timezone", d.Timezone,
			"amount", d.Amount, "thresholds", strings.Join(d.Thresholds, ", "), "cutoff", d.Cutoff, "mode", d.Mode, "ask_for_more", d.AskForMore)...)
		if d.AllowShared {
			lines = append(lines, given(prefix, "allow_shared", "true")...)
		}
		for j, e := range d.Exempt {
			prefix := fmt.Sprintf("%sexempt[%d].", prefix, j)
			lines = append(lines, showMatch(prefix, &e.Match)...)
			lines = append(lines, given(prefix, "until", e.Until, "reason", e.Reason)...)
		}
	}
	return lines
}

func showMatch(prefix string, m *limit.Match) []shown {
	list := func(values []string) string { return strings.Join(values, ", ") }
	return given(prefix, "person", list(m.Person), "person_kind", list(m.PersonKind), "team", list(m.Team), "role", list(m.Role),
		"account", list(m.Account), "work_group", list(m.WorkGroup), "database", list(m.Database), "table", list(m.Table), "tool", list(m.Tool))
}

// WithLimits returns the configuration with the limits of another file in the
// place of its own, and its protect if it has that key: to try limits out. The
// file may be a whole configuration, or these keys alone.
func (c *Config) WithLimits(ctx context.Context, name string, o Options) (*Config, error) {
	data, _, err := readFile(ctx, name, true, o, environment(o.Environ))
	if err != nil {
		return nil, err
	}
	root, err := parseYAML(name, data)
	if err != nil {
		return nil, err
	}
	tried := *c
	tried.origins, tried.later = map[string]string{}, map[string]func() []error{}
	found := false
	var wrong []error
	for _, f := range root.fields {
		switch {
		case f.key == "version" || f.value.kind == kindNull:
		case f.key == "limits" || f.key == "protect":
			found = found || f.key == "limits"
			wrong = append(wrong, settings[f.key].set(&tried, f.key, f.value)...)
		case settings[f.key].set == nil:
			wrong = append(wrong, f.place.errorf("%s", unknownKey(f.key, keys)))
		}
	}
	if len(wrong) == 0 {
		wrong = tried.checkLater()
	}
	if !found && len(wrong) == 0 {
		wrong = append(wrong, root.place.errorf("no limits: want the key limits with a list"))
	}
	return &tried, errors.Join(wrong...)
}

// checkLater runs the checks of what several keys say together.
func (c *Config) checkLater() (wrong []error) {
	for _, key := range sortedKeys(c.later) {
		wrong = append(wrong, c.later[key]()...)
	}
	c.later = nil
	return wrong
}
