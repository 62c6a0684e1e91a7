package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/limit"
)

// limitText is a limit that is right; a test puts one mistake into it.
const limitText = `version: 1
limits:
  - name: people
    per: person
    measure: scanned_bytes
    window: day
    amount: 2 TB
`

func TestLimitErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{strings.Replace(limitText, "2 TB", "2 XB", 1), `athenatrail.yaml:7:13: limits[0].amount "2 XB": want bytes with their unit, such as 2 TB (10^12) or 2 TiB (2^40)`},
		{strings.Replace(limitText, "2 TB", "-2 TB", 1), `athenatrail.yaml:7:13: limits[0].amount "-2 TB": want an amount above zero: bytes with their unit, such as 2 TB (10^12) or 2 TiB (2^40)`},
		{strings.Replace(limitText, "2 TB", "0 TB", 1), `athenatrail.yaml:7:13: limits[0].amount "0 TB": want an amount above zero: bytes with their unit, such as 2 TB (10^12) or 2 TiB (2^40)`},
		{strings.Replace(limitText, "2 TB", "50 USD", 1), `athenatrail.yaml:7:13: limits[0].amount "50 USD": want bytes with their unit, such as 2 TB (10^12) or 2 TiB (2^40)`},
		{strings.Replace(limitText, "window: day", "window: 1 fortnight", 1), `athenatrail.yaml:6:13: limits[0].window "1 fortnight": want hour, day, week, month, or a length that moves with the clock, such as 24h, 7d or 30d`},
		{strings.Replace(limitText, "window: day", "window: 0d", 1), `athenatrail.yaml:6:13: limits[0].window "0d": want a window longer than nothing: hour, day, week, month, or a length that moves with the clock, such as 24h, 7d or 30d`},
		{strings.Replace(limitText, "person", "persn", 1), `athenatrail.yaml:4:10: limits[0].per "persn": want person, team, work_group or all`},
		{strings.Replace(limitText, "people", "All People", 1), `athenatrail.yaml:3:11: limits[0].name "All People": want a name of small letters, digits and hyphens, such as analysts-day`},
		{limitText + "    mode: block\n", `athenatrail.yaml:8:11: limits[0].mode "block": want observe, warn or enforce`},
		{limitText + "    amuont: 3 TB\n", `athenatrail.yaml:8:5: limits[0]: unknown key "amuont": did you mean amount?`},
		{limitText + "    timezone: Mars\n", `athenatrail.yaml:8:15: limits[0].timezone "Mars": want a time zone such as UTC or Europe/Paris`},
		{limitText + "    match: {account: 12345678901}\n", `athenatrail.yaml:8:22: limits[0].match.account "12345678901": want an account's 12 digits with their leading zeros, in which * and ? may stand`},
		{limitText + "    match:\n      table: [raw.*, orders]\n", `athenatrail.yaml:9:22: limits[0].match.table[1] "orders": want a table as database.table or catalog.database.table, in which * and ? may stand`},
		{limitText + "    match: {person: []}\n", `athenatrail.yaml:8:21: limits[0].match.person: an empty list matches nobody: leave it out for all`},
		{limitText + "    thresholds:\n      - 50%: notify\n      - 80%: stop\n", `athenatrail.yaml:10:9: limits[0].thresholds[1] "80%: stop": want 100% or more before stop: what is below is allowed; lower the amount instead`},
		{limitText + "    thresholds: {50%: notify, 100%: explode}\n", `athenatrail.yaml:8:31: limits[0].thresholds[1] "100%: explode": want a percentage from 1 to 1000 and notify, cutoff, stop or block, such as 50%: notify`},
		{limitText + "    cutoff: 10 GB\n", `athenatrail.yaml:8:13: limits[0].cutoff "10 GB": want a threshold that asks for it, such as 100%: cutoff`},
		{limitText + "    cutoff: 10 GB\n    thresholds: {100%: cutoff}\n", `athenatrail.yaml:9:18: limits[0].thresholds "100%: cutoff": want per: work_group beside cutoff: Athena cuts off the queries of a work group`},
		{strings.Replace(limitText, "person", "work_group", 1) + "    cutoff: 9 MB\n    thresholds: {100%: cutoff}\n", `athenatrail.yaml:8:13: limits[0].cutoff "9 MB": want 10 MB (10^7 bytes) or more, the least that Athena takes`},
		{limitText + "    allow_shared: maybe\n", `athenatrail.yaml:8:19: limits[0].allow_shared "maybe": want true or false`},
		{limitText + "    thresholds: [\"100%: notify\", 100%: notify]\n", `athenatrail.yaml:8:34: limits[0].thresholds[1] "100%: notify": want each threshold once`},
		{limitText + "    exempt:\n      - {person: rosa, reason: holiday}\n", `athenatrail.yaml:9:10: limits[0].exempt[0].until: want the day on which it ends, such as 2026-11-03: an exemption without an end is another limit`},
		{limitText + "    exempt:\n      - {person: rosa, until: 2026-11-03}\n", `athenatrail.yaml:9:10: limits[0].exempt[0].reason: want why, in one line: whoever reads limits status will ask`},
		{limitText + "    exempt:\n      - {until: 2026-11-03, reason: x}\n", `athenatrail.yaml:9:10: limits[0].exempt[0]: want whom it is for, such as person: rosa@example.com`},
		{limitText + "  - {name: people, per: all, measure: cost, window: day, amount: 5 USD}\n", `athenatrail.yaml:8:12: limits[1].name "people": want another name: limits[0] has it`},
		{"version: 1\nlimits:\n  - {name: a, per: all, measure: cost, window: day, amount: 5 EUR}\n",
			`athenatrail.yaml:3:61: limits[0].amount "5 EUR": no price is in EUR: want one of CNY, USD, or say in prices what Athena costs in it`},
		{"version: 1\nlimits:\n  - {name: a, per: all, measure: dpu_time, window: day, amount: 5 h, match: {database: raw}}\n",
			`athenatrail.yaml:3:88: limits[0].match.database: want none beside measure dpu_time: a Spark session has no database`},
		{"version: 1\nlimits:\n  - {name: a, per: all}\n", `athenatrail.yaml:3:6: limits[0].measure: want scanned_bytes, cost, queries, dpu_time, failed_share or query_bytes
athenatrail.yaml:3:6: limits[0].window: want hour, day, week, month, or a length that moves with the clock, such as 24h, 7d or 30d`},
	} {
		_, err := load(t, tt.text, nil)
		var e *Error
		if err == nil || err.Error() != tt.want || !errors.As(err, &e) {
			t.Errorf("%s\n got %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// Prices may stand behind limits, and be of a stronger place.
func TestCurrencyIsThatOfAPrice(t *testing.T) {
	text := "version: 1\nlimits:\n  - {name: a, per: all, measure: cost, window: day, amount: 5 EUR}\n"
	if _, err := load(t, text+"prices: [{region: \"*\", sql_per_tb: 4, currency: EUR}]\n", nil); err != nil {
		t.Error(err)
	}
	if _, err := load(t, text, []string{`ATHENATRAIL_PRICES=[{region: "*", sql_per_tb: 4, currency: EUR}]`}); err != nil {
		t.Error(err)
	}
	if _, err := load(t, text, []string{`ATHENATRAIL_LIMITS=[{name: b, per: all, measure: queries, window: day, amount: 5}]`}); err != nil {
		t.Errorf("a limit that was replaced is complained of: %v", err)
	}
}

func TestWithLimits(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		name := filepath.Join(dir, "tried.yaml")
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	c, err := load(t, limitText+"protect: [etl]\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	tried, err := c.WithLimits(t.Context(), file("limits:\n  - {name: b, per: team, measure: queries, window: hour, amount: 500}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]limit.Definition{{Name: "b", Per: "team", Measure: "queries", Window: "hour", Amount: "500"}}, tried.Limits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"etl"}, tried.Protect); diff != "" || c.Limits[0].Name != "people" {
		t.Errorf("protect %s, own limits %+v", diff, c.Limits)
	}
	if _, err := c.WithLimits(t.Context(), file(limitText+"lake: elsewhere\n"), Options{}); err != nil {
		t.Errorf("a whole configuration: %v", err)
	}
	for text, want := range map[string]string{
		"version: 1\n":       "no limits: want the key limits with a list",
		"limts: []\n":        `unknown key "limts": did you mean limits?`,
		"limits: [{per: x}]": `limits[0].per "x": want person, team, work_group or all`,
		"limits:\n  - {name: a, per: all, measure: cost, window: day, amount: 5 EUR}\n": "no price is in EUR",
	} {
		if _, err := c.WithLimits(t.Context(), file(text), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
