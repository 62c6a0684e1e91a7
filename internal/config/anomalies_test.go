package config

import (
	"strings"
	"testing"
	"time"
)

func TestAnomaliesMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"floor: 0":                   `athenatrail.yaml:3:10: anomalies.floor "0": want an amount above zero`,
		"floor: -5":                  "want an amount above zero",
		"floor: 5 USD":               "want an amount above zero",
		"sensitivity: 3":             "want low or normal or high",
		"lookback: 13d":              "want whole days such as 28d or 8w, from 14d to 92d",
		"lookback: 36h":              "want whole days",
		"holidays: [2026-02-30]":     "want a day such as",
		"holidays: {a: b}":           "want a list",
		"ignore: {persn: a}":         `unknown key "persn": did you mean person?`,
		`ignore: {person: [a, "*"]}`: "anomalies.ignore.person: * ignores everything",
		"flor: 5":                    "did you mean floor?",
	} {
		_, err := load(t, "version: 1\nanomalies:\n  "+text+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestAnomalies(t *testing.T) {
	c, err := load(t, "version: 1\ntimezone: Europe/Paris\nanomalies:\n  lookback: 8w\n  ignore: {table: \"*.tmp_*\"}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := c.AnomalySettings()
	if s.Lookback != 56 || s.Zone.String() != "Europe/Paris" || s.Floor == 0 || len(s.Ignore.Table) != 1 {
		t.Errorf("%+v", s)
	}
	if c, err = load(t, "version: 1\n", nil); err != nil || c.AnomalySettings().Zone != time.UTC || c.AnomalySettings().Lookback != 28 {
		t.Errorf("%+v, %v", c.AnomalySettings(), err)
	}
}
