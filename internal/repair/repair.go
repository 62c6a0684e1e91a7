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

// near reports whether a damaged file is of an account and region, within days
// of a day.
func (d damaged) near(p athenatrail.Partition, days athenatrail.Date) bool {
	return d.Account == p.Account && d.Region == p.Region && d.Date >= p.Date-days && d.Date <= p.Date+days
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
