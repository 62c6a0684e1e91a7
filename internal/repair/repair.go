// Package repair makes damaged files of a lake again: tables from the facts,
// facts from the log files that the ledger names, and details by asking Athena
// once more. What is made is made in a lake of its own first, and takes the
// damaged file's place only when it is whole; the damaged file is kept aside.
package repair

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/source"
)

// historyDays is how long Athena answers about an execution.
const historyDays = 45

// reach is for how many days after a day its events are looked for among log
// files: CloudTrail tries to deliver for thirty (User Guide, "Getting and
// viewing your CloudTrail log files").
const reach = 31

// Options are what to repair with. Run is what a collection run is made from;
// its Lake is the damaged one.
type Options struct {
	Run    collect.Options
	Source source.Deps
}

// An Outcome is what became of one damaged file.
type Outcome struct {
	Path     string
	Repaired bool
	Aside    string // where the damaged file is kept
	Text     string // what was done, or why not
}

var pathForm = regexp.MustCompile(`^(facts|tables)/([a-z_]+)/dt=([0-9-]{10})/([A-Za-z0-9-]+_[A-Za-z0-9-]+)\.parquet$`)

// A damaged file, taken apart.
type damaged struct {
	path, kind, name string
	athenatrail.Partition
}

// Repair makes the files again that problems name. Problems that it knows no
// remedy for are not among the outcomes. The error is for a lake that could
// not be written.
func Repair(ctx context.Context, o Options, problems []lake.Problem) ([]Outcome, error) {
	var facts, tables []damaged
	for _, p := range problems {
		m := pathForm.FindStringSubmatch(p.Path)
		if m == nil {
			continue
		}
		at, err := athenatrail.ParsePartition(m[3], m[4])
		if err != nil {
			continue
		}
		d := damaged{p.Path, m[1], m[2], at}
		list := &tables
		if d.kind == "facts" {
			list = &facts
		}
		if !slices.ContainsFunc(*list, func(x damaged) bool { return x.path == d.path }) {
			*list = append(*list, d)
		}
	}
	r := &repairer{Options: o, lake: o.Run.Lake, bad: slices.Clone(facts)}
	// Log files first: what is asked of Athena is asked for their events.
	slices.SortStableFunc(facts, func(a, b damaged) int { return cmp.Compare(order(a.name), order(b.name)) })
	for _, d := range facts {
		out, err := r.fact(ctx, d)
		if err != nil {
			return r.outcomes, err
		}
		if out.Repaired {
			r.bad = slices.DeleteFunc(r.bad, func(x damaged) bool { return x.path == d.path })
		}
		r.outcomes = append(r.outcomes, out)
	}
	err := r.tables(ctx, tables)
	return r.outcomes, err
}

func order(name string) int {
	return max(0, slices.Index([]string{lake.Details.Name(), lake.QueryTexts.Name()}, name)+1)
}

type repairer struct {
	Options
	lake     *lake.Lake
	bad      []damaged // facts that are not repaired
	derive   []athenatrail.Partition
	outcomes []Outcome
}

// keep puts a copy of a file aside.
func (r *repairer) keep(ctx context.Context, path string, data []byte) (string, error) {
	aside := lake.AsideDir + r.Run.RunID + "/" + path
	if err := r.lake.Put(ctx, aside, data); err != nil {
		return "", fmt.Errorf("keep the damaged %s aside: %w", path, err)
	}
	return aside, nil
}

// fact makes one file of facts again.
func (r *repairer) fact(ctx context.Context, d damaged) (Outcome, error) {
	out := Outcome{Path: d.path}
	old, err := r.lake.Read(ctx, d.path)
	if err != nil {
		out.Text = "it cannot be read at all: " + err.Error()
		return out, ctx.Err()
	}
	var made []byte
	switch d.name {
	case lake.Events.Name(), lake.SessionEvents.Name(), lake.RoleSessions.Name(), lake.DataAccess.Name():
		made, out.Text, err = r.fromLogs(ctx, d)
	case lake.Details.Name(), lake.QueryTexts.Name():
		made, out.Text, err = r.fromAthena(ctx, d)
	default:
		out.Text = "it says what AWS described at a time that is past: restore it from a backup"
	}
	if err != nil || made == nil {
		return out, cmp.Or(err, ctx.Err())
	}
	if out.Aside, err = r.keep(ctx, d.path, old); err != nil {
		return out, err
	}
	err = r.lake.Update(ctx, d.path, func(now []byte) ([]byte, error) {
		if !bytes.Equal(now, old) && !bytes.Equal(now, made) {
			return nil, errOvertaken
		}
		return made, nil
	})
	if errors.Is(err, errOvertaken) {
		out.Text = err.Error()
		return out, nil
	}
	if err != nil {
		return out, err
	}
	out.Repaired = true
	r.derive = append(r.derive, d.Partition)
	return out, nil
}

var errOvertaken = errors.New("another run wrote it meanwhile: run lake verify again")

// scratch makes an empty lake of its own that knows what the lake must not
// keep, and calls do with it.
func (r *repairer) scratch(ctx context.Context, do func(*lake.Lake) error) error {
	dir, err := os.MkdirTemp("", "athenatrail-repair-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	store, err := lake.OpenStore(dir)
	if err != nil {
		return err
	}
	l, err := lake.Create(ctx, store)
	if err != nil {
		return err
	}
	// The salt of hashes, and what was forgotten.
	if err := r.copyTo(ctx, l, "_private/", func(string) bool { return true }); err != nil {
		return err
	}
	return do(l)
}

func (r *repairer) copyTo(ctx context.Context, to *lake.Lake, prefix string, wanted func(key string) bool) error {
	for file, err := range r.lake.List(ctx, prefix) {
		if err != nil {
			return err
		}
		if !wanted(file.Key) {
			continue
		}
		data, err := r.lake.Read(ctx, file.Key)
		if err == nil {
			err = to.Put(ctx, file.Key, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fromLogs reads the log files again that may hold the events of a day. It
// returns nil and why if not all of them could be read.
func (r *repairer) fromLogs(ctx context.Context, d damaged) (made []byte, text string, err error) {
	names, err := r.logFiles(ctx, d)
	if err != nil {
		return nil, "the ledger cannot be read: " + err.Error(), ctx.Err()
	}
	if len(names) == 0 {
		return nil, "the ledger names no log file of it: collect again from the source that has them, with --from " + d.Date.String(), nil
	}
	err = r.scratch(ctx, func(l *lake.Lake) error {
		run := r.Run
		run.Lake, run.Ledger = l, ledger.New(l)
		run.Sources, run.Feeds, run.Bounds = []source.Source{source.Again(names, r.Source)}, nil, source.Bounds{}
		run.Details, run.References, run.NoDerive, run.Progress = nil, nil, true, nil
		sum, err := collect.Run(ctx, run)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			text = "not all log files of it can be had: " + err.Error()
			return nil
		case sum.Incomplete():
			text = fmt.Sprintf("of %d log files that may hold it not all can be had: %s", len(names), strings.Join(sum.Problems, "; "))
			return nil
		}
		if made, err = l.Read(ctx, d.path); errors.Is(err, fs.ErrNotExist) {
			text = fmt.Sprintf("%d log files were read again, and none has anything of it: it does not belong there", len(names))
			return nil
		}
		text = fmt.Sprintf("made again from the %d log files that may hold it", len(names))
		return err
	})
	return made, text, err
}

// logFiles returns the names of the log files that may hold facts of a day, as
// the ledger has them.
func (r *repairer) logFiles(ctx context.Context, d damaged) (names []string, err error) {
	for f, err := range r.Run.Ledger.All(ctx) {
		if err != nil {
			return nil, err
		}
		of := f.KeptEvents
		switch d.name {
		case lake.SessionEvents.Name():
			of = f.KeptSessionEvents
		case lake.RoleSessions.Name():
			of = f.KeptRoleSessions
		case lake.DataAccess.Name():
			of = f.KeptDataAccess
		}
		elsewhere := f.Shard.Known && (f.Shard.Account != d.Account && d.Account != athenatrail.UnknownName ||
			f.Shard.Region != d.Region && d.Region != athenatrail.UnknownName || f.Shard.Day < d.Date || f.Shard.Day > d.Date+reach)
		older := !f.NewestEventTime.IsZero() && athenatrail.DateOf(f.NewestEventTime) < d.Date
		if of > 0 && !elsewhere && !older {
			names = append(names, f.Key)
		}
	}
	return names, nil
}

// fromAthena asks again about a day's executions, and makes the day's details,
// or its SQL, of the answers. It returns nil and why if something is not to be
// had that the tables say was there.
func (r *repairer) fromAthena(ctx context.Context, d damaged) (made []byte, text string, err error) {
	oldest := athenatrail.DateOf(r.Run.Now.Add(-historyDays*24*time.Hour)) + 1
	switch {
	case r.Run.Details == nil:
		return nil, "Athena has it, and is not asked (details: none)", nil
	case d.Date < oldest:
		return nil, fmt.Sprintf("Athena forgot it: it is older than %d days; restore it from a backup. The tables have what was derived from it", historyDays), nil
	case slices.ContainsFunc(r.bad, func(x damaged) bool { return x.name == lake.Events.Name() && x.near(d.Partition, 1) }):
		return nil, "the events of the day are damaged, and tell what to ask for", nil
	}
	had, err := r.had(ctx, d)
	if err != nil {
		return nil, "what to ask for cannot be told: " + err.Error(), ctx.Err()
	}
	err = r.scratch(ctx, func(l *lake.Lake) error {
		for _, prefix := range []string{"facts/events/", "facts/session_events/", "facts/details/"} {
			err := r.copyTo(ctx, l, prefix, func(key string) bool {
				m := pathForm.FindStringSubmatch(key)
				if m == nil || key == d.path || slices.ContainsFunc(r.bad, func(x damaged) bool { return x.path == key }) {
					return false
				}
				p, err := athenatrail.ParsePartition(m[3], m[4])
				own := prefix == "facts/details/" && p == d.Partition // they are asked for again
				return err == nil && !own && p.Account == d.Account && p.Region == d.Region && p.Date >= d.Date-7 && p.Date <= d.Date+7
			})
			if err != nil {
				return err
			}
		}
		run := r.Run
		run.Lake, run.Ledger = l, ledger.New(l)
		run.Sources, run.Feeds, run.References, run.NoDerive, run.Progress = nil, nil, nil, true, nil
		for day := d.Date - 1; day <= d.Date+1; day++ {
			if err := l.Mark(ctx, d.On(day), run.RunID); err != nil {
				return err
			}
		}
		sum, err := collect.Run(ctx, run)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			text = "Athena could not be asked: " + err.Error()
			return nil
		case sum.Incomplete():
			text = "Athena could not be asked about all: " + strings.Join(sum.Problems, "; ")
			return nil
		}
		lacking, err := lacks(ctx, l, d, had)
		if err != nil {
			return err
		}
		if lacking > 0 {
			text = fmt.Sprintf("of %d that were there Athena did not tell %d: restore it from a backup", len(had), lacking)
			return nil
		}
		if made, err = l.Read(ctx, d.path); errors.Is(err, fs.ErrNotExist) {
			text = "Athena has nothing of it"
			return nil
		}
		text = fmt.Sprintf("made again from Athena's answers: %d", len(had))
		return err
	})
	return made, text, err
}

// near reports whether a damaged file is of an account and region, within days
// of a day.
func (d damaged) near(p athenatrail.Partition, days athenatrail.Date) bool {
	return d.Account == p.Account && d.Region == p.Region && d.Date >= p.Date-days && d.Date <= p.Date+days
}

// had returns what a file of details or of SQL held, as far as what was made
// of it tells: ids whose row is whole, or hashes of texts.
func (r *repairer) had(ctx context.Context, d damaged) (map[string]bool, error) {
	had := map[string]bool{}
	if d.name == lake.QueryTexts.Name() {
		type detail struct {
			TextHash string `parquet:"text_hash,optional"`
		}
		for row, err := range lake.ReadAs[detail](ctx, r.lake, lake.Details, d.Partition) {
			if err != nil {
				return nil, err
			}
			if row.TextHash != "" {
				had[row.TextHash] = true
			}
		}
		return had, nil
	}
	type execution struct {
		ID  string    `parquet:"query_execution_id,optional"`
		At  time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
		Gap string    `parquet:"gap,optional"`
	}
	type session struct {
		ID  string    `parquet:"session_id,optional"`
		At  time.Time `parquet:"started_at,timestamp(millisecond:local)"`
		Gap string    `parquet:"gap,optional"`
	}
	for day := d.Date - 1; day <= d.Date+1; day++ {
		for row, err := range lake.ReadAs[execution](ctx, r.lake, lake.QueryExecutions, d.On(day)) {
			if err != nil {
				return nil, err
			}
			if row.ID != "" && row.Gap == "" && athenatrail.DateOf(row.At) == d.Date {
				had[row.ID] = true
			}
		}
		for row, err := range lake.ReadAs[session](ctx, r.lake, lake.Sessions, d.On(day)) {
			if err != nil {
				return nil, err
			}
			if row.ID != "" && row.Gap == "" && athenatrail.DateOf(row.At) == d.Date {
				had[row.ID] = true
			}
		}
	}
	return had, nil
}

// lacks counts what the file that was made does not have of what there was.
func lacks(ctx context.Context, l *lake.Lake, d damaged, had map[string]bool) (n int, err error) {
	has := map[string]bool{}
	if d.name == lake.QueryTexts.Name() {
		for row, err := range lake.Read(ctx, l, lake.QueryTexts, d.Partition) {
			if err != nil {
				return 0, err
			}
			has[row.TextHash] = true
		}
	} else {
		for row, err := range lake.Read(ctx, l, lake.Details, d.Partition) {
			if err != nil {
				return 0, err
			}
			has[row.ID] = row.Outcome == athenatrail.OutcomeAnswered && row.Final
		}
	}
	for id := range had {
		if !has[id] {
			n++
		}
	}
	return n, nil
}

// spoilt reports whether facts that a day may be derived from are damaged.
func (r *repairer) spoilt(d athenatrail.Date) bool {
	return slices.ContainsFunc(r.bad, func(x damaged) bool { return x.Date >= d-8 && x.Date <= d+8 })
}

// tables derives the days of damaged tables again, and those whose facts were
// made again, unless facts around them are still damaged.
func (r *repairer) tables(ctx context.Context, damagedTables []damaged) error {
	for _, d := range damagedTables {
		out := Outcome{Path: d.path}
		switch old, err := r.lake.Read(ctx, d.path); {
		case err != nil:
			out.Text = "it cannot be read at all: " + err.Error()
		case r.spoilt(d.Date):
			out.Text = "facts around it are damaged, and have to be repaired first"
		default:
			if out.Aside, err = r.keep(ctx, d.path, old); err != nil {
				return err
			}
			r.derive = append(r.derive, d.Partition)
			out.Repaired, out.Text = true, "derived again from the facts"
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.outcomes = append(r.outcomes, out)
	}
	marked := false
	for _, p := range r.derive {
		if r.spoilt(p.Date) {
			continue // its tables stay as they are
		}
		if err := r.lake.Mark(ctx, p, r.Run.RunID); err != nil {
			return err
		}
		marked = true
	}
	if !marked {
		return nil
	}
	b := &rebuild.Builder{Lake: r.lake, Settings: r.Run.Settings, Jobs: r.Run.Jobs}
	if _, err := b.Marked(ctx); err != nil {
		return fmt.Errorf("derive the days that were repaired: %w; they stay marked", err)
	}
	return nil
}
