package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

// A found is a row of report findings.
type found struct {
	Rule     string      `json:"rule"`
	Person   string      `json:"person"`
	What     string      `json:"what"`
	Times    int         `json:"times"`
	Saving   json.Number `json:"saving"`
	Evidence string      `json:"evidence"`
}

func (f found) ids() []string { return strings.Split(f.Evidence, ", ") }

// names tells whether any of the ids is in the evidence.
func (f found) names(ids []string) bool {
	return slices.ContainsFunc(f.ids(), func(id string) bool { return slices.Contains(ids, id) })
}

func (f found) savingNano(t *testing.T) int64 {
	t.Helper()
	if f.Saving == "" {
		return 0
	}
	x, err := strconv.ParseFloat(string(f.Saving), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int64(math.Round(x * 1e9))
}

func page[T any](t *testing.T, dir, name string) []T {
	t.Helper()
	r := run(t, nil, "report", name, "--lake", dir, "--output", "json", "--from", "2026-09-28", "--to", "2026-11-03", "--limit", "0").mustEnd(t, 0)
	var page struct{ Rows []T }
	if err := json.Unmarshal([]byte(r.stdout), &page); err != nil {
		t.Fatal(err)
	}
	return page.Rows
}

// findingsAgree compares the findings with what the generator staged, and those
// about executions, all of them, with sums over the truth.
func findingsAgree(t *testing.T, dir string, company *demo.Company) {
	rows := page[found](t, dir, "findings")
	of := func(rule string, ids []string) []found {
		return slices.DeleteFunc(slices.Clone(rows), func(f found) bool { return f.Rule != rule || !f.names(ids) })
	}
	staged := 0
	for _, want := range company.SparkFindings() {
		ids := want.EventIDs
		if want.SessionID != "" {
			ids = append(slices.Clone(ids), want.SessionID)
		}
		got := of(want.Finding, ids)
		if staged++; (len(got) > 0) != want.Fires {
			t.Errorf("%s of %s (%s, %v): fires %t, got %+v", want.Finding, want.Person, want.SessionID, want.EventIDs, want.Fires, got)
		}
	}
	for _, want := range company.QueryFindings() {
		got := of(want.Finding, want.QueryExecutionIDs)
		if staged++; (len(got) > 0) != want.Fires {
			t.Errorf("%s of %s (%v): fires %t, got %+v", want.Finding, want.Person, want.QueryExecutionIDs, want.Fires, got)
			continue
		}
		if want.SavingNano != nil && want.Fires && got[0].savingNano(t) != *want.SavingNano {
			t.Errorf("%s of %s saves %s, want %d", want.Finding, want.Person, got[0].Saving, *want.SavingNano)
		}
	}
	if staged < 31 {
		t.Errorf("only %d findings are staged", staged)
	}
	queryFindingsAgree(t, rows, company.Truths(), catalogRules(company))
}

// A due is what a finding should say.
type due struct {
	times  int
	saving int64
}

// A findingRule computes from the truth what a rule of the program should
// find, by the key of a finding, which any of its executions has.
type findingRule struct {
	key  func(demo.Truth) string // of the execution that a finding's evidence begins with
	find func([]demo.Truth) map[string]due
}

// beside finds in a finding's words what else it is about: the day of the
// addresses, the database.
var beside = regexp.MustCompile(`(?: addresses on (\S+)$| used the database (\S+) for the first time)`)

func queryFindingsAgree(t *testing.T, rows []found, truths []demo.Truth, more map[string]findingRule) {
	t.Helper()
	byID := map[string]demo.Truth{}
	for _, x := range truths {
		byID[x.QueryExecutionID] = x
	}
	all := maps.Clone(findingRules)
	maps.Copy(all, more)
	for rule, r := range all {
		want, n := r.find(truths), 0
		for _, row := range rows {
			if row.Rule != rule {
				continue
			}
			key := r.key(byID[row.ids()[0]])
			for _, m := range beside.FindAllStringSubmatch(row.What, 1) {
				key += " " + m[1] + m[2]
			}
			w, ok := want[key]
			if n++; !ok {
				t.Errorf("%s: %+v, of which the truth knows nothing (%q)", rule, row, key)
				continue
			}
			delete(want, key)
			// Rounding of one execution's saving may differ in its last digit.
			if far := w.saving - row.savingNano(t); row.Times != w.times || far < -int64(w.times) || far > int64(w.times) {
				t.Errorf("%s of %q: %d times, saving %s; want %+v", rule, key, row.Times, row.Saving, w)
			}
		}
		for key, w := range want {
			t.Errorf("%s of %q was not found: %+v", rule, key, w)
		}
		if n == 0 {
			t.Errorf("%s finds nothing", rule)
		}
	}
}

func keyed(parts ...string) string { return strings.Join(parts, "\x00") }

func nano(x demo.Truth) int64 {
	if x.CostNano == nil {
		return 0
	}
	return *x.CostNano
}

func submitted(x demo.Truth) time.Time {
	if x.SubmittedAt > 0 {
		return time.UnixMilli(x.SubmittedAt).UTC()
	}
	at, _ := time.Parse(time.RFC3339, x.EventTime)
	return at
}

func day(x demo.Truth) string { return submitted(x).Format(time.DateOnly) }

// sumBy groups the starts that count and keeps the groups with enough.
func sumBy(truths []demo.Truth, counts func(demo.Truth) bool, key func(demo.Truth) string, saving func(demo.Truth) int64, enough func(due, []demo.Truth) bool) map[string]due {
	groups := map[string][]demo.Truth{}
	for _, x := range truths {
		if !x.Probe && x.QueryExecutionID != "" && counts(x) {
			groups[key(x)] = append(groups[key(x)], x)
		}
	}
	out := map[string]due{}
	for k, list := range groups {
		d := due{times: len(list)}
		for _, x := range list {
			d.saving += saving(x)
		}
		if enough(d, list) {
			out[k] = d
		}
	}
	return out
}

func nothing(demo.Truth) int64 { return 0 }

func isStar(sql string) bool {
	text := strings.ToLower(strings.Join(strings.Fields(sql), " "))
	return strings.HasPrefix(text, "select * from ") && !strings.HasPrefix(text, "select * from (")
}

func fingerprintKey(x demo.Truth) string {
	return keyed(x.AccountID, x.Region, sqlref.Fingerprint(x.SQL))
}

func personKey(x demo.Truth) string { return keyed(x.AccountID, x.Region, personOf(x)) }

func failureKey(x demo.Truth) string { return keyed(personKey(x), sqlref.Fingerprint(x.SQL), day(x)) }

// textKey is what a result is reused by. The console names the catalog.
func textKey(x demo.Truth) string {
	return keyed(x.AccountID, x.Region, x.WorkGroup, x.Database, fmt.Sprint(x.Tool == "console"), x.SQL)
}

// holderKey is the role or IAM user that a call was signed with.
func holderKey(x demo.Truth) string {
	parts := strings.Split(x.Principal, "/")
	return keyed(x.AccountID, strings.Join(parts[:min(2, len(parts))], "/"))
}

var findingRules = map[string]findingRule{
	demo.FindingCancelledQueries: {personKey, func(truths []demo.Truth) map[string]due {
		return sumBy(truths, func(x demo.Truth) bool { return x.State == "CANCELLED" && nano(x) > 0 }, personKey, nano,
			func(d due, _ []demo.Truth) bool { return d.saving >= 500_000_000 })
	}},
	demo.FindingRepeatedFailures: {failureKey, func(truths []demo.Truth) map[string]due {
		return sumBy(truths, func(x demo.Truth) bool { return x.State == "FAILED" }, failureKey, nothing, func(d due, _ []demo.Truth) bool { return d.times >= 5 })
	}},
	demo.FindingSelectStar: {fingerprintKey, func(truths []demo.Truth) map[string]due {
		return sumBy(truths, func(x demo.Truth) bool { return x.State == "SUCCEEDED" && !x.Reused && isStar(x.SQL) }, fingerprintKey, nothing,
			func(d due, list []demo.Truth) bool {
				var scanned int64
				for _, x := range list {
					scanned += *x.ScannedBytes
				}
				return d.times >= 5 && scanned >= int64(d.times)*1_000_000_000
			})
	}},
	demo.FindingSmallScans: {fingerprintKey, func(truths []demo.Truth) map[string]due {
		isSmall := func(x demo.Truth) bool { return nano(x) > 0 && *x.ScannedBytes < 10_000_000 }
		dayKey := func(x demo.Truth) string { return keyed(fingerprintKey(x), day(x)) }
		busy := sumBy(truths, isSmall, dayKey, nothing, func(d due, _ []demo.Truth) bool { return d.times >= 100 })
		return sumBy(truths, func(x demo.Truth) bool {
			if !isSmall(x) {
				return false
			}
			_, ok := busy[dayKey(x)]
			return ok
		}, fingerprintKey, func(x demo.Truth) int64 {
			return int64(math.Round(float64(nano(x)) * (1 - float64(*x.ScannedBytes)/float64(*x.BilledBytes))))
		}, func(due, []demo.Truth) bool { return true })
	}},
	demo.FindingRepeatedQuery: {textKey, repeatsDue},
	demo.FindingSharedAccess:  {holderKey, sharedDue},
	demo.FindingFirstAccess:   {func(x demo.Truth) string { return x.QueryExecutionID }, firstAccessesDue},
}

// repeatsDue goes through the runs of each text in the order of time: the
// first of a stretch of an hour had to run, those that began after it had ended
// had not. A pause of more than an hour begins a new stretch.
func repeatsDue(truths []demo.Truth) map[string]due {
	runs := map[string][]demo.Truth{}
	for _, x := range truths {
		if x.State == "SUCCEEDED" && x.Substatement == "SELECT" && !x.Probe && !x.Reused && nano(x) > 0 && !x.LakeFormation && !strings.Contains(x.SQL, "?") {
			runs[textKey(x)] = append(runs[textKey(x)], x)
		}
	}
	out := map[string]due{}
	for key, list := range runs {
		slices.SortFunc(list, func(a, b demo.Truth) int {
			return cmp.Or(cmp.Compare(a.SubmittedAt, b.SubmittedAt), strings.Compare(a.QueryExecutionID, b.QueryExecutionID))
		})
		const hour = int64(time.Hour / time.Millisecond)
		var d due
		var chain, stretch, last, done int64
		for i, x := range list {
			if i == 0 || x.SubmittedAt-last > hour {
				chain, stretch, done = x.SubmittedAt, 0, x.CompletedAt
			} else if n := (x.SubmittedAt - chain) / hour; n != stretch {
				stretch, done = n, x.CompletedAt
			} else if x.SubmittedAt >= done {
				d.times++
				d.saving += nano(x)
			}
			last = x.SubmittedAt
		}
		if d.times >= 3 && d.saving >= 100_000_000 {
			out[key] = d
		}
	}
	return out
}

// sharedDue counts who is behind the roles and users, where only a comment in
// the SQL tells, and from how many addresses a user's key was used on a day.
func sharedDue(truths []demo.Truth) map[string]due {
	ones, times := map[string]map[string]bool{}, map[string]int{}
	count := func(key, one string) {
		if ones[key] == nil {
			ones[key] = map[string]bool{}
		}
		ones[key][one] = true
		times[key]++
	}
	for _, x := range truths {
		if x.Gap == "not_started" || x.Probe {
			continue
		}
		isUser := strings.Contains(x.Principal, ":user/")
		if x.Kind == "human" && (x.Rung == "query_comment" || x.Rung == "session_name") && (isUser || strings.Contains(x.Principal, ":assumed-role/")) {
			count(holderKey(x), personOf(x))
		}
		if isUser && !strings.HasSuffix(x.SourceIP, ".amazonaws.com") {
			count(holderKey(x)+" "+day(x), x.SourceIP)
		}
	}
	out := map[string]due{}
	for key := range ones {
		if len(ones[key]) >= 3 {
			out[key] = due{times: times[key]}
		}
	}
	return out
}

// firstAccessesDue finds the first time that a person used a database, both of
// which had been there for a fortnight.
func firstAccessesDue(truths []demo.Truth) map[string]due {
	const fortnight = 14 * 24 * time.Hour
	people, databases := map[string]time.Time{}, map[string]time.Time{}
	first := map[string]demo.Truth{}
	earliest := func(m map[string]time.Time, key string, at time.Time) {
		if old, ok := m[key]; !ok || at.Before(old) {
			m[key] = at
		}
	}
	where := func(x demo.Truth) (names []string) {
		for _, table := range slices.Concat(x.Reads, x.Writes) {
			names = append(names, keyed(x.AccountID, x.Region, table[:strings.LastIndexByte(table, '.')]))
		}
		slices.Sort(names)
		return slices.Compact(names)
	}
	for _, x := range truths {
		if x.Kind == "human" && x.Gap != "not_started" {
			earliest(people, personOf(x), submitted(x))
		}
		if x.StatementType != "DML" || x.Gap == "expired" || x.QueryExecutionID == "" {
			continue
		}
		for _, d := range where(x) {
			earliest(databases, d, submitted(x))
			key := keyed(d, personOf(x))
			old, ok := first[key]
			if x.Kind == "human" && x.State == "SUCCEEDED" && !x.Probe && (!ok || submitted(x).Before(submitted(old))) {
				first[key] = x
			}
		}
	}
	out := map[string]due{}
	for key, x := range first {
		d := key[:strings.LastIndexByte(key, 0)]
		if from := submitted(x).Add(-fortnight); !people[personOf(x)].After(from) && !databases[d].After(from) {
			out[x.QueryExecutionID+" "+d[strings.LastIndexByte(d, 0)+1:]] = due{times: 1}
		}
	}
	return out
}

// tablesAgree compares what every start touched, and the sums of the view of
// tables, with the truth.
func tablesAgree(t *testing.T, dir string, company *demo.Company) {
	type accessed struct {
		ID       string   `json:"query_execution_id"`
		Accessed []string `json:"tables_accessed"`
		Written  []string `json:"tables_written"`
		Source   string   `json:"tables_source"`
	}
	r := run(t, nil, "query", "--lake", dir, "--output", "jsonl",
		"SELECT query_execution_id, tables_accessed, tables_written, tables_source FROM query_executions WHERE query_execution_id IS NOT NULL").mustEnd(t, 0)
	got := map[string]accessed{}
	for _, x := range rows[accessed](t, r.stdout) {
		got[x.ID] = x
	}
	type tableSum struct {
		Table      string      `json:"table_name"`
		Account    string      `json:"account_id"`
		Region     string      `json:"region_name"`
		Executions int64       `json:"executions"`
		Reads      int64       `json:"reads"`
		Writes     int64       `json:"writes"`
		Cost       json.Number `json:"cost"`
	}
	sums, costs := map[string]tableSum{}, map[string]int64{}
	sources := map[string]int{}
	for _, x := range company.Truths() {
		if x.QueryExecutionID == "" || x.SQL == "" || x.Gap == "expired" {
			continue
		}
		var reads []string // DESCRIBE and EXPLAIN speak of tables and read none
		if x.StatementType != "UTILITY" || x.Substatement == "EXPLAIN_ANALYZE" {
			reads = x.Reads
		}
		touched := slices.Concat(reads, x.Writes)
		slices.Sort(touched)
		touched = slices.Compact(touched)
		g := got[x.QueryExecutionID]
		if !slices.Equal(g.Accessed, touched) || !slices.Equal(g.Written, x.Writes) {
			t.Errorf("%s (%v): %q\n got %v, written %v\nwant %v, written %v", x.QueryExecutionID, x.Cases, x.SQL, g.Accessed, g.Written, touched, x.Writes)
		}
		source := ""
		if x.LakeFormation {
			source = "lake_formation"
		} else if len(touched) > 0 {
			source = "sql"
		}
		if g.Source != source {
			t.Errorf("%s (%v): tables by %q, want %q", x.QueryExecutionID, x.Cases, g.Source, source)
		}
		sources[source]++
		if x.Probe {
			continue
		}
		for _, table := range touched {
			key := keyed(table, x.AccountID, x.Region)
			s := sums[key]
			if s.Executions++; slices.Contains(x.Writes, table) {
				s.Writes++
			} else {
				s.Reads++
			}
			sums[key] = s
			costs[key] += nano(x)
		}
	}
	if sources["sql"] < 100 || sources["lake_formation"] < 10 || sources[""] < 10 {
		t.Errorf("tables by %v", sources)
	}
	for _, x := range page[tableSum](t, dir, "tables") {
		key := keyed(x.Table, x.Account, x.Region)
		want, ok := sums[key]
		if !ok {
			t.Errorf("nothing touched %+v", x)
			continue
		}
		delete(sums, key)
		cost := found{Saving: x.Cost}.savingNano(t)
		if x.Executions != want.Executions || x.Reads != want.Reads || x.Writes != want.Writes || cost != costs[key] {
			t.Errorf("%s: %+v, want %+v that cost %d", x.Table, x, want, costs[key])
		}
	}
	for key, s := range sums {
		t.Errorf("no row for %q: %+v", key, s)
	}
}
