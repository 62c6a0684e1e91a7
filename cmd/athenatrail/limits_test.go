package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/demo"
)

// limitsOfAllKinds has a limit of each measure, kind of subject and kind of
// window, among them those that roll-ups cannot answer.
const limitsOfAllKinds = `version: 1
limits:
  - {name: scanned, match: {person_kind: human}, per: person, measure: scanned_bytes, window: day, timezone: Europe/Berlin, amount: 300 GB}
  - {name: cost, per: team, measure: cost, window: week, timezone: America/New_York, amount: 10 USD}
  - {name: queries, per: work_group, measure: queries, window: 7d, amount: 50}
  - {name: notebooks, per: all, measure: dpu_time, window: month, amount: 10 h}
  - {name: failures, per: person, measure: failed_share, window: 30d, amount: 5 %}
  - {name: largest, match: {team: [web-analytics, "data-*"]}, per: person, measure: query_bytes, window: 7d, amount: 200 GB}
  - {name: raw, match: {table: raw.*}, per: person, measure: scanned_bytes, window: month, amount: 500 GB}
  - {name: orders, match: {table: sales.orders, tool: [console, athena-console, "*jdbc*"]}, per: team, measure: scanned_bytes, window: month, amount: 500 GB}
`

// limitsInSQL asks the same of DuckDB: who, and how much. At 15:20 of a Friday
// in UTC the day in Berlin began at 23:00, the week in New York at 4:00 of
// Monday, and 7 days ago the first whole quarter hour at 15:30.
var limitsInSQL = map[string]string{
	"scanned": `SELECT person AS who, CAST(sum(data_scanned_bytes) AS VARCHAR) AS used FROM usage_rollup
		WHERE slot >= TIMESTAMP '2026-10-29 23:00:00' AND slot < TIMESTAMP '2026-10-30 15:20:00' AND kind = 'sql' AND NOT own
			AND gap IS DISTINCT FROM 'not_started' AND person_kind = 'human' GROUP BY person`,
	"cost": `SELECT team AS who, CAST(coalesce(sum(cost) FILTER (WHERE cost_basis IN ('list', 'custom', 'free') AND currency = 'USD'), 0) AS VARCHAR) AS used FROM usage_rollup
		WHERE slot >= TIMESTAMP '2026-10-26 04:00:00' AND slot < TIMESTAMP '2026-10-30 15:20:00' AND NOT own
			AND gap IS DISTINCT FROM 'not_started' GROUP BY team`,
	"queries": `SELECT coalesce(work_group_name, '(no work group)') || ' in ' || account_id || ' ' || region_name AS who, CAST(sum(executions) AS VARCHAR) AS used FROM usage_rollup
		WHERE slot >= TIMESTAMP '2026-10-23 15:30:00' AND slot < TIMESTAMP '2026-10-30 15:20:00' AND kind = 'sql' AND NOT own AND NOT probe
			AND gap IS DISTINCT FROM 'not_started' GROUP BY work_group_name, account_id, region_name`,
	"notebooks": `SELECT 'all together' AS who, CAST(sum(dpu_ms) AS VARCHAR) AS used FROM usage_rollup
		WHERE slot >= TIMESTAMP '2026-10-01 00:00:00' AND slot < TIMESTAMP '2026-10-30 15:20:00' AND kind = 'spark' AND NOT own
			AND gap IS DISTINCT FROM 'not_started'`,
	"failures": `SELECT person AS who, CAST(CASE WHEN finished = 0 THEN 0 ELSE floor(1000000 * failed / finished) END AS VARCHAR) AS used FROM (
			SELECT person, sum(failed) FILTER (WHERE state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')) AS failed,
				coalesce(sum(executions) FILTER (WHERE state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')), 0) AS finished FROM usage_rollup
			WHERE slot >= TIMESTAMP '2026-09-30 15:30:00' AND slot < TIMESTAMP '2026-10-30 15:20:00' AND kind = 'sql' AND NOT own AND NOT probe
				AND gap IS DISTINCT FROM 'not_started' GROUP BY person)`,
	"largest": `SELECT person AS who, CAST(coalesce(max(data_scanned_bytes), 0) AS VARCHAR) AS used FROM query_executions
		WHERE submission_date_time >= TIMESTAMP '2026-10-23 15:30:00' AND submission_date_time < TIMESTAMP '2026-10-30 15:20:00' AND NOT own
			AND gap IS DISTINCT FROM 'not_started' AND (team = 'web-analytics' OR team LIKE 'data-%') GROUP BY person`,
	"raw": `SELECT person AS who, CAST(coalesce(sum(data_scanned_bytes), 0) AS VARCHAR) AS used FROM query_executions
		WHERE submission_date_time >= TIMESTAMP '2026-10-01 00:00:00' AND submission_date_time < TIMESTAMP '2026-10-30 15:20:00' AND NOT own
			AND gap IS DISTINCT FROM 'not_started' AND len(list_filter(tables_accessed, t -> t LIKE 'awsdatacatalog.raw.%')) > 0 GROUP BY person`,
	"orders": `SELECT team AS who, CAST(sum(data_scanned_bytes) AS VARCHAR) AS used FROM table_rollup
		WHERE slot >= TIMESTAMP '2026-10-01 00:00:00' AND slot < TIMESTAMP '2026-10-30 15:20:00' AND NOT own
			AND gap IS DISTINCT FROM 'not_started' AND table_name = 'awsdatacatalog.sales.orders'
			AND (tool IN ('console', 'athena-console') OR tool LIKE '%jdbc%') GROUP BY team`,
}

// A limitRow is a row of limits status.
type limitRow struct {
	Limit     string      `json:"limit"`
	Subject   string      `json:"subject"`
	Unit      string      `json:"unit"`
	Used      json.Number `json:"used_value"`
	Allowed   json.Number `json:"allowed_value"`
	Estimated json.Number `json:"estimated_value"`
	State     string      `json:"state"`
	Start     time.Time   `json:"window_start"`
	AsOf      time.Time   `json:"as_of"`
}

func limitRows(t *testing.T, code int, args ...string) []limitRow {
	t.Helper()
	r := run(t, nil, append([]string{"limits"}, append(args, "--output", "jsonl")...)...).mustEnd(t, code)
	return rows[limitRow](t, r.stdout)
}

// TestLimits compares limits with DuckDB's SQL over the same lake, and the
// demo's own with the truth.
func TestLimits(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "lake")
	run(t, nil, "demo", "--no-serve", "--events", strconv.Itoa(demoEvents), "--lake", dir, "--quiet").mustEnd(t, 0)
	t.Run("as SQL", func(t *testing.T) { limitsAgreeWithSQL(t, base, dir) })
	t.Run("simulation as SQL", func(t *testing.T) { simulationAgreesWithSQL(t, base, dir) })
	t.Run("as the truth", func(t *testing.T) { limitsAgreeWithTruth(t, dir) })
}

func limitsAgreeWithSQL(t *testing.T, base, dir string) {
	file := filepath.Join(base, "limits.yaml")
	if err := os.WriteFile(file, []byte(limitsOfAllKinds), 0o644); err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]string{}
	exceeded := map[string]bool{}
	for _, x := range limitRows(t, 0, "status", "--config", file, "--lake", dir, "--top", "0", "--at", "2026-10-30T15:20:00Z") {
		if x.Estimated.String() != "0" && strings.Trim(x.Estimated.String(), "0.") != "" {
			t.Errorf("%s of %s: %s is estimated, and nothing ran", x.Limit, x.Subject, x.Estimated)
		}
		if got[x.Limit] == nil {
			got[x.Limit] = map[string]string{}
		}
		got[x.Limit][x.Subject] = number(t, x.Used)
		if x.State == "over" {
			exceeded[x.Limit+" "+x.Subject] = true
		}
	}
	for name, sql := range limitsInSQL {
		want := map[string]string{}
		for _, x := range rows[struct{ Who, Used string }](t, run(t, nil, "query", "--lake", dir, "--output", "jsonl", sql).mustEnd(t, 0).stdout) {
			used := json.Number(x.Used)
			if name == "failures" { // millionths, and the command says percent
				f, err := used.Float64()
				if err != nil {
					t.Fatal(err)
				}
				used = json.Number(strconv.FormatFloat(f/10_000, 'f', -1, 64))
			}
			want[x.Who] = number(t, used)
		}
		if len(want) == 0 {
			t.Errorf("%s: SQL has nobody", name)
		}
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s (-SQL +limits):\n%s", name, diff)
		}
	}
	// check names the same and no others. All of them observe, so that it is
	// told to count them.
	checked := map[string]bool{}
	for _, x := range limitRows(t, 4, "check", "--all", "--config", file, "--lake", dir, "--at", "2026-10-30T15:20:00Z") {
		checked[x.Limit+" "+x.Subject] = true
	}
	if diff := cmp.Diff(exceeded, checked); diff != "" || len(exceeded) < 5 {
		t.Errorf("status and check (%d are over):\n%s", len(exceeded), diff)
	}
}

// number writes a number in one way.
func number(t *testing.T, n json.Number) string {
	t.Helper()
	text := n.String()
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// simulationAgreesWithSQL compares when people would have been told with a
// running sum over the roll-up.
func simulationAgreesWithSQL(t *testing.T, base, dir string) {
	file := filepath.Join(base, "told.yaml")
	text := "version: 1\nlimits:\n  - {name: day, per: person, measure: scanned_bytes, window: day, amount: 200 GB, thresholds: [50%: notify, 100%: notify]}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	type told struct {
		Who    string    `json:"subject"`
		At     time.Time `json:"at"`
		Action string    `json:"action"`
		Used   int64     `json:"used_value"`
	}
	var got []told
	r := run(t, nil, "limits", "simulate", "--config", file, "--lake", dir, "--from", "2026-10-01", "--to", "2026-11-01", "--output", "jsonl").mustEnd(t, 0)
	for _, x := range rows[told](t, r.stdout) {
		if !x.At.IsZero() { // not the sum of all
			got = append(got, x)
		}
	}
	want := rows[told](t, run(t, nil, "query", "--lake", dir, "--output", "jsonl", `
		WITH slots AS (
			SELECT person, slot, sum(data_scanned_bytes) AS bytes FROM usage_rollup
			WHERE kind = 'sql' AND NOT own AND gap IS DISTINCT FROM 'not_started' AND slot >= TIMESTAMP '2026-10-01' AND slot < TIMESTAMP '2026-11-01'
			GROUP BY ALL
		), sums AS (
			SELECT person, slot, CAST(sum(bytes) OVER (PARTITION BY person, CAST(slot AS DATE) ORDER BY slot) AS BIGINT) AS used FROM slots
		), told AS (
			SELECT *, 50 AS percent FROM sums WHERE used >= 100000000000 UNION ALL SELECT *, 100 FROM sums WHERE used > 200000000000
		)
		SELECT person AS subject, min(slot) + INTERVAL 15 MINUTE AS "at", percent || '%: notify' AS action, min(used) AS used_value
		FROM told GROUP BY person, CAST(slot AS DATE), percent ORDER BY "at", subject, percent`).mustEnd(t, 0).stdout)
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 20 {
		t.Errorf("%d crossings (-SQL +limits):\n%s", len(want), diff)
	}
}

// limitsAgreeWithTruth compares what the demo's limit of people shows with what
// its people really scanned, and that its story is there: one person is far over.
func limitsAgreeWithTruth(t *testing.T, dir string) {
	status := limitRows(t, 0, "status", "--config", filepath.Join(dir, "athenatrail.yaml"), "--lake", dir, "--top", "0")
	if len(status) == 0 {
		t.Fatal("no rows")
	}
	from, to := status[0].Start, status[0].AsOf
	want, running := map[string]int64{}, map[string]bool{}
	for _, x := range demo.Generate(demo.Options{Events: demoEvents}).Truths() {
		at, err := time.Parse(time.RFC3339, x.EventTime)
		if err != nil {
			t.Fatal(err)
		}
		if x.Kind != "human" || x.Gap == "not_started" || at.Before(from) || !at.Before(to) {
			continue
		}
		person := personOf(x)
		want[person] += 0
		if x.ScannedBytes != nil && x.Gap != "expired" {
			want[person] += *x.ScannedBytes
		}
		running[person] = running[person] || x.Gap == "pending" // the truth does not say what these scanned so far
	}
	states := map[string][]string{}
	for _, x := range status {
		states[x.State] = append(states[x.State], x.Limit+" "+x.Subject)
		if x.Limit != "people-week" {
			continue
		}
		used, err := x.Used.Int64()
		if err != nil {
			t.Fatal(err)
		}
		sum, known := want[x.Subject]
		delete(want, x.Subject)
		if !known || used != sum && !running[x.Subject] {
			t.Errorf("%s used %d, in truth %d (%v)", x.Subject, used, sum, known)
		}
	}
	if len(want) > 0 {
		t.Errorf("people without a row: %v", want)
	}
	if len(states["over"]) != 1 || states["over"][0] != "people-week jana@example.com" {
		t.Errorf("over: %v", states["over"])
	}
}
