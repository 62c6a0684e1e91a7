package cli

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
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// The view that is made of the ledger, in Go, whatever the engine.
const (
	healthView    = "health"
	healthSummary = "what was read and what is missing: sources, log files, problems, gaps, rungs"
)

// maxHealthProblems bounds the log files that health names.
const maxHealthProblems = 50

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

// health prints what the lake was made of, and what is missing. It looks at
// all of the lake: a window has no meaning for what was not read.
func (a *app) health(ctx context.Context, e *setup.Env, r *readLake, params report.Params) error {
	if len(params.Where) > 0 || len(params.By) > 0 {
		return usage("report health takes no --where and no --by")
	}
	h := &health{}
	sources, err := r.ledger.Sources(ctx)
	if err != nil {
		return err
	}
	for _, s := range sources {
		h.add("source", s.Name, cells{files: -1}, completeText(s))
	}
	if err := h.logFiles(ctx, r); err != nil {
		return err
	}
	if err := h.rows(ctx, r); err != nil {
		return err
	}
	if err := h.work(ctx, e, r); err != nil {
		return err
	}
	return a.write(&format.Result{View: healthView, CompleteTo: r.completeTo, TimeZone: e.Timezone, Columns: healthColumns, Rows: format.RowsOf(h.out)})
}

var healthColumns = []format.Column{
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
	if s.Unread > 0 {
		text += fmt.Sprintf("; %s could not be read", count(s.Unread, "log file"))
	}
	return text
}

// logFiles adds what was delivered by account and region, and the log files
// that have something wrong.
func (h *health) logFiles(ctx context.Context, r *readLake) error {
	type place struct{ account, region string }
	places := map[place]*delivered{}
	var wrong []ledger.File
	wrongs := 0
	for f, err := range r.ledger.All(ctx) {
		if err != nil {
			return err
		}
		at := place{f.Shard.Account, f.Shard.Region}
		d := places[at]
		if d == nil {
			d = &delivered{account: at.account, region: at.region, first: f.Shard.Day, last: f.Shard.Day}
			places[at] = d
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
			if wrongs++; len(wrong) < maxHealthProblems {
				wrong = append(wrong, f)
			}
		}
	}
	stored, err := eventsStored(ctx, r)
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
func eventsStored(ctx context.Context, r *readLake) (n int64, err error) {
	result, err := r.db.Query(ctx, "SELECT count(*) AS n FROM activity", 1)
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
func (h *health) rows(ctx context.Context, r *readLake) error {
	for _, q := range []struct{ section, sql string }{
		{"gaps", "SELECT coalesce(gap, 'complete'), count(*) AS n FROM query_executions GROUP BY 1 ORDER BY 2 DESC, 1"},
		{"persons by", "SELECT person_source, count(*) AS n FROM query_executions GROUP BY 1 ORDER BY 2 DESC, 1"},
	} {
		result, err := r.db.Query(ctx, q.sql, 0)
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
			if text := gapTexts[row[0].(string)]; q.section == "gaps" && text != "" {
				note += "; " + text
			}
			h.add(q.section, row[0].(string), cells{files: -1, executions: &n}, note)
		}
	}
	return nil
}

// work adds what a run would still have to do.
func (h *health) work(ctx context.Context, e *setup.Env, r *readLake) error {
	marks, err := r.Marks(ctx)
	if err != nil {
		return err
	}
	if len(marks) > 0 {
		h.add("to do", fmt.Sprintf("%d days to derive", len(marks)), cells{files: -1}, "a run was interrupted; the next collect or lake rebuild derives them")
	}
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	stale, hash := 0, settings.Hash()
	for p, err := range lake.Partitions(ctx, r.Lake, lake.QueryExecutions, 0, 0) {
		if err != nil {
			return err
		}
		with, err := lake.DerivedWith(ctx, r.Lake, lake.QueryExecutions, p.Partition)
		if err != nil {
			return err
		}
		if with != hash {
			stale++
		}
	}
	if stale > 0 {
		h.add("to do", fmt.Sprintf("%d days derived with other settings", stale), cells{files: -1}, "athenatrail lake rebuild derives them again with today's prices and rules")
	}
	return nil
}
