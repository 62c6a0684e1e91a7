// Package health tells what a lake was made of and what is missing: sources,
// log files, problems, gaps, and what a run would still have to do. It reads
// the ledger, whatever the engine of reports.
package health

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/evidence"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/report"
)

// The names of the views.
const (
	HealthView     = "health"
	DeliveriesView = "deliveries"
)

// A View is one that is made here.
type View struct {
	Name    string
	Summary string // what help says of it
	Columns []format.Column

	report func(context.Context, Input) (*format.Result, error)
}

// Views are all of them.
var Views = []View{
	{HealthView, "what was read and what is missing: sources, log files, problems, gaps, rungs", Columns, ofLake},
	{DeliveriesView, "log files by day of delivery, account and region", DeliveryColumns, deliveries},
}

// Is reports whether a view is one of these.
func Is(name string) bool {
	return slices.ContainsFunc(Views, func(v View) bool { return v.Name == name })
}

// Input is what is looked at.
type Input struct {
	Lake   *lake.Lake
	Ledger *ledger.Ledger
	DB     *report.DB

	// DerivedWith is the hash of today's settings: days with another are to be
	// derived again.
	DerivedWith string

	CompleteTo time.Time
	TimeZone   *time.Location
}

// maxProblems bounds the log files that health names.
const maxProblems = 50

// delivered sums the log files of one account and region.
type delivered struct {
	account, region      string
	files, size, records int64
	candidates, kept     int64
	dropped, undecodable int64
	damaged              int64
	keptEvents           int64
	first, last          athenatrail.Date
}

// Report makes the view of a name. It looks at all of the lake: a window has no
// meaning for what was not read.
func Report(ctx context.Context, name string, in Input) (*format.Result, error) {
	for _, v := range Views {
		if v.Name == name {
			return v.report(ctx, in)
		}
	}
	return nil, fmt.Errorf("health has no view %q", name)
}

func ofLake(ctx context.Context, in Input) (*format.Result, error) {
	h := &health{}
	sources, err := in.Ledger.Sources(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		h.add("source", s.Name, cells{files: -1}, completeText(s))
	}
	if err := h.logFiles(ctx, in); err != nil {
		return nil, err
	}
	if err := h.rows(ctx, in.DB); err != nil {
		return nil, err
	}
	if err := h.work(ctx, in); err != nil {
		return nil, err
	}
	return &format.Result{View: HealthView, CompleteTo: in.CompleteTo, TimeZone: in.TimeZone, Columns: Columns, Rows: format.RowsOf(h.out)}, nil
}

// Columns are those of the view health.
var Columns = []format.Column{
	{Name: format.Section, Kind: format.Text},
	{Name: "subject", Kind: format.Text, Help: "a source, an account and region, a log file, a gap or a rung"},
	{Name: "account_id", Kind: format.Text, Wide: true},
	{Name: "region_name", Kind: format.Text, Wide: true},
	{Name: "log_files", Kind: format.Count},
	{Name: "size_bytes", Title: "size", Kind: format.Bytes},
	{Name: "records", Kind: format.Count},
	{Name: "candidates", Kind: format.Count, Help: "records of Athena, STS and Lake Formation: kept, dropped and undecodable together"},
	{Name: "kept", Kind: format.Count},
	{Name: "dropped", Kind: format.Count},
	{Name: "undecodable", Kind: format.Count},
	{Name: "duplicates", Kind: format.Count, Help: "events of Athena that were delivered more than once"},
	{Name: "executions", Kind: format.Count},
	{Name: "note", Kind: format.Text},
}

type health struct{ out [][]any }

// cells are the numbers of a row; files below zero leaves them out.
type cells struct {
	account, region                                                          string
	files, size, records, candidates, kept, dropped, undecodable, duplicates int64
	executions                                                               *int64
}

func (h *health) add(section, subject string, c cells, note string) {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	row := []any{section, subject, text(c.account), text(c.region)}
	for _, n := range []int64{c.files, c.size, c.records, c.candidates, c.kept, c.dropped, c.undecodable, c.duplicates} {
		if c.files < 0 {
			row = append(row, nil)
		} else {
			row = append(row, n)
		}
	}
	if c.executions == nil {
		row = append(row, nil)
	} else {
		row = append(row, *c.executions)
	}
	h.out = append(h.out, append(row, text(note)))
}

func completeText(s ledger.Source) string {
	text := "complete to an unknown time"
	if !s.CompleteTo.IsZero() {
		text = "complete to " + s.CompleteTo.UTC().Format(time.RFC3339)
	}
	switch {
	case s.Unread > 0 && strings.HasPrefix(s.Name, lookup.Name+":"):
		text += "; not all since then could be asked"
	case s.Unread > 0:
		text += fmt.Sprintf("; %s could not be read", format.Counted(s.Unread, "log file"))
	}
	return text
}

// needs are what cannot be known without some event.
var needs = []struct{ event, what string }{
	{"AssumeRole", "who took a role"},
	{"StartSession", "who started a notebook's session"},
	{"StopQueryExecution", "who stopped a query"},
	{"GetDataAccess", "the tables that Lake Formation saw"},
}

// askedText says for which events CloudTrail's history was asked, and what is
// not known for want of others.
func askedText(events map[string]bool) string {
	text := strings.Join(slices.Sorted(maps.Keys(events)), ", ")
	var lacking []string
	for _, n := range needs {
		if !events[n.event] {
			lacking = append(lacking, n.what)
		}
	}
	if len(lacking) > 0 {
		text += "; so it is not known " + strings.Join(lacking, ", ") + " (lookup_events: events)"
	}
	return text
}

// logFiles adds what was delivered by account and region, and the log files
// that have something wrong.
func (h *health) logFiles(ctx context.Context, in Input) error {
	type place struct{ account, region string }
	places := map[place]*delivered{}
	asked := map[place]map[string]bool{} // names of events, of CloudTrail's history
	var wrong []ledger.File
	wrongs := 0
	for f, err := range in.Ledger.All(ctx) {
		if err != nil {
			return err
		}
		at := place{f.Shard.Account, f.Shard.Region}
		d := places[at]
		if d == nil {
			d = &delivered{account: at.account, region: at.region, first: f.Shard.Day, last: f.Shard.Day}
			places[at] = d
		}
		if event, ok := lookup.EventOf(f.Key); ok {
			if asked[at] == nil {
				asked[at] = map[string]bool{}
			}
			asked[at][event] = true
		}
		d.files++
		d.size += max(0, f.Size)
		d.records += f.Records
		d.candidates += f.Candidates
		d.kept += f.KeptEvents + f.KeptRoleSessions + f.KeptDataAccess
		d.keptEvents += f.KeptEvents
		d.dropped += f.Dropped
		d.undecodable += f.Undecodable
		d.first, d.last = min(d.first, f.Shard.Day), max(d.last, f.Shard.Day)
		if f.Undecodable > 0 || f.Damage != "" {
			d.damaged++
			if wrongs++; len(wrong) < maxProblems {
				wrong = append(wrong, f)
			}
		}
	}
	stored, err := eventsStored(ctx, in.DB)
	if err != nil {
		return err
	}
	var all cells
	for _, d := range slices.SortedFunc(maps.Values(places), func(a, b *delivered) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.region, b.region))
	}) {
		subject, note := d.account+" "+d.region, "delivered "+d.first.String()+" to "+d.last.String()
		if d.account == "" {
			subject, note = "names that do not tell", ""
		}
		c := cells{d.account, d.region, d.files, d.size, d.records, d.candidates, d.kept, d.dropped, d.undecodable, 0, nil}
		h.add("log files", subject, c, note)
		all.files += c.files
		all.size += c.size
		all.records += c.records
		all.candidates += c.candidates
		all.kept += c.kept
		all.dropped += c.dropped
		all.undecodable += c.undecodable
		all.duplicates += d.keptEvents
	}
	// Which file is the duplicate is not known, only how many there are.
	all.duplicates = max(0, all.duplicates-stored)
	h.add("log files", "all", all, "kept + dropped + undecodable = candidates")
	for _, at := range slices.SortedFunc(maps.Keys(asked), func(a, b place) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.region, b.region))
	}) {
		h.add("asked of CloudTrail", at.account+" "+at.region, cells{account: at.account, region: at.region, files: -1}, askedText(asked[at]))
	}
	for _, f := range wrong {
		h.add("problems", f.Key, cells{files: -1}, problemText(f))
	}
	if wrongs > len(wrong) {
		h.add("problems", fmt.Sprintf("and %d more", wrongs-len(wrong)), cells{files: -1}, "")
	}
	return nil
}

func problemText(f ledger.File) string {
	var parts []string
	if f.Damage != "" {
		parts = append(parts, f.Damage)
	}
	if f.Undecodable > 0 {
		parts = append(parts, fmt.Sprintf("%d undecodable", f.Undecodable))
		var problems []cloudtrail.Problem
		if json.Unmarshal([]byte(f.Problems), &problems) == nil && len(problems) > 0 {
			parts = append(parts, fmt.Sprintf("the first at byte %d: %s", problems[0].Offset, problems[0].Why))
		}
	}
	return strings.Join(parts, "; ")
}

// eventsStored counts the events of Athena that the lake holds.
func eventsStored(ctx context.Context, db *report.DB) (n int64, err error) {
	result, err := db.Query(ctx, "SELECT count(*) AS n FROM activity", 1)
	if err != nil {
		return 0, err
	}
	rows, err := result.All()
	if err != nil {
		return 0, err
	}
	return rows[0][0].(int64), nil
}

// rows adds the executions by gap, and by the rung that named the person.
func (h *health) rows(ctx context.Context, db *report.DB) error {
	for _, q := range []struct{ section, sql string }{
		{"gaps", "SELECT coalesce(gap, 'complete'), count(*) AS n FROM query_executions GROUP BY 1 ORDER BY 2 DESC, 1"},
		{"persons by", "SELECT person_source, count(*) AS n FROM query_executions GROUP BY 1 ORDER BY 2 DESC, 1"},
	} {
		result, err := db.Query(ctx, q.sql, 0)
		if err != nil {
			return err
		}
		rows, err := result.All()
		if err != nil {
			return err
		}
		total := int64(0)
		for _, row := range rows {
			total += row[1].(int64)
		}
		for _, row := range rows {
			n := row[1].(int64)
			note := fmt.Sprintf("%.1f %%", 100*float64(n)/float64(total))
			if text := evidence.GapTexts[row[0].(string)]; q.section == "gaps" && text != "" {
				note += "; " + text
			}
			h.add(q.section, row[0].(string), cells{files: -1, executions: &n}, note)
		}
	}
	return nil
}

// work adds what a run would still have to do.
func (h *health) work(ctx context.Context, in Input) error {
	marks, err := in.Lake.Marks(ctx)
	if err != nil {
		return err
	}
	if len(marks) > 0 {
		h.add("to do", fmt.Sprintf("%d days to derive", len(marks)), cells{files: -1}, "a run was interrupted; the next collect or lake rebuild derives them")
	}
	stale := 0
	for p, err := range lake.Partitions(ctx, in.Lake, lake.QueryExecutions, 0, 0) {
		if err != nil {
			return err
		}
		with, err := p.DerivedWith(ctx, in.Lake, lake.QueryExecutions)
		if err != nil {
			return err
		}
		if with != in.DerivedWith {
			stale++
		}
	}
	if stale > 0 {
		h.add("to do", fmt.Sprintf("%d days derived with other settings", stale), cells{files: -1}, "athenatrail lake rebuild derives them again with today's prices and rules")
	}
	return nil
}
