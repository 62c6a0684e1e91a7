package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/anomaly"
)

// ignoreKeys are what anomalies may be ignored by.
var ignoreKeys = []struct {
	key   string
	field func(*anomaly.Ignore) *[]string
}{
	{"person", func(g *anomaly.Ignore) *[]string { return &g.Person }},
	{"role", func(g *anomaly.Ignore) *[]string { return &g.Role }},
	{"team", func(g *anomaly.Ignore) *[]string { return &g.Team }},
	{"database", func(g *anomaly.Ignore) *[]string { return &g.Database }},
	{"table", func(g *anomaly.Ignore) *[]string { return &g.Table }},
}

func setAnomalies(c *Config, path string, n node) []error {
	return eachField(c, path, n, map[string]func(*Config, string, node) []error{
		"floor": one(func(c *Config, text string) string {
			floor, err := athenatrail.ParseMoney(text)
			if err != nil || floor == 0 {
				return "an amount above zero such as 5 or 2.50, in whatever currency something costs"
			}
			c.Anomalies.Floor = floor
			return ""
		}),
		"sensitivity": one(func(c *Config, text string) string {
			c.Anomalies.Sensitivity = anomaly.Sensitivity(text)
			return oneOf(anomaly.Sensitivities()...)(text)
		}),
		"lookback": one(func(c *Config, text string) string {
			d, ok := parseDuration(text)
			days := int(d / (24 * time.Hour))
			if !ok || d%(24*time.Hour) != 0 || days < anomaly.MinLookback || days > anomaly.MaxLookback {
				return fmt.Sprintf("whole days such as 28d or 8w, from %dd to %dd", anomaly.MinLookback, anomaly.MaxLookback)
			}
			c.Anomalies.Lookback = days
			return ""
		}),
		"holidays": func(c *Config, path string, n node) []error {
			values, wrong := texts(path, n, day)
			c.Anomalies.Holidays = nil
			for _, v := range values {
				if d, err := athenatrail.ParseDate(v); err == nil {
					c.Anomalies.Holidays = append(c.Anomalies.Holidays, d)
				}
			}
			c.origins[path] = n.place.origin()
			return wrong
		},
		"ignore": func(c *Config, path string, n node) []error {
			fields := map[string]func(*Config, string, node) []error{}
			for _, k := range ignoreKeys {
				fields[k.key] = func(c *Config, path string, n node) []error {
					values, wrong := texts(path, n, someText)
					if len(wrong) == 0 && slices.Contains(values, "*") {
						wrong = append(wrong, n.place.errorf("%s: * ignores everything", path))
					}
					*k.field(&c.Anomalies.Ignore) = values
					c.origins[path] = n.place.origin()
					return wrong
				}
			}
			return eachField(c, path, n, fields)
		},
	})
}

func showAnomalies(c *Config) []shown {
	a := &c.Anomalies
	lines := []shown{
		{"anomalies.floor", strings.TrimSuffix(strings.TrimRight(a.Floor.String(), "0"), ".")},
		{"anomalies.sensitivity", string(a.Sensitivity)},
		{"anomalies.lookback", formatDuration(time.Duration(a.Lookback) * 24 * time.Hour)},
	}
	var holidays []string
	for _, d := range a.Holidays {
		holidays = append(holidays, d.String())
	}
	lines = append(lines, given("anomalies.", "holidays", strings.Join(holidays, ", "))...)
	for _, k := range ignoreKeys {
		lines = append(lines, given("anomalies.ignore.", k.key, strings.Join(*k.field(&a.Ignore), ", "))...)
	}
	return lines
}

// AnomalySettings are those of the configuration, in its time zone.
func (c *Config) AnomalySettings() anomaly.Settings {
	s := c.Anomalies
	s.Zone = c.Timezone
	return s
}
