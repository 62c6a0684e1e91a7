package forget

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/redact"
)

// Options say what to erase.
type Options struct {
	Lake     *lake.Lake
	Settings *derive.Settings
	Jobs     int
	RunID    string // of the marks; no two runs may share it

	Person string           // all that is known of a person; empty: of nobody alone
	Before athenatrail.Date // the days before this one; 0: no days
	Texts  bool             // only the SQL, and what quotes it: of the person, of the days, or all

	// Keep is what of SQL may stay with Texts; Full is taken for
	// FingerprintOnly.
	Keep redact.Mode

	DryRun bool // count what would be erased, and write nothing
	Done   func(p athenatrail.Partition, remaining int)
}

// ErrNobody says that a person's name is that of a role, a service or the root
// user, which many may use.
var ErrNobody = errors.New("not the name of a person")

// A Count is how many facts of one kind were erased or altered.
type Count struct {
	Fact    string
	Erased  int64
	Altered int64 // their SQL, or what quoted it
	Files   int64 // that were written or removed
}

// A Result is what was erased, and how it is known to be gone. What past totals
// lose is in Executions and the fields after it.
type Result struct {
	Counts      []Count
	Executions  int64                        // rows of query_executions
	Sessions    int64                        // rows of sessions
	DataScanned int64                        // bytes
	Cost        map[string]athenatrail.Money // by currency, of both

	Names   int // of the person, that were looked for
	Derived int // days
	Scan    *Scan
}

// A run is one erasure under way.
type run struct {
	Options
	salt   []byte
	result Result
	counts map[string]*Count

	names names
	plan  *plan

	redact  *redact.Redactor
	touched map[athenatrail.Partition]bool
}

// Run erases, derives what is left, and looks for what was erased. Where a
// killed run has left its work undone, this one does it.
func Run(ctx context.Context, o Options) (*Result, error) {
	if o.Person == "" && o.Before == 0 && !o.Texts || o.Person != "" && o.Before != 0 {
		return nil, errors.New("forget: want a person, a day or the texts")
	}
	r := &run{Options: o, counts: map[string]*Count{}, touched: map[athenatrail.Partition]bool{}, names: names{}}
	r.names.add(o.Person)
	err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	if o.Texts {
		if o.Keep == redact.Full || o.Keep == "" {
			o.Keep = redact.FingerprintOnly
		}
		r.redact = redact.New(o.Keep, r.salt, o.Settings.Notes)
		err = r.texts(ctx)
	} else {
		err = r.erase(ctx)
	}
	r.result.Counts = r.sortedCounts()
	if err != nil || o.DryRun {
		return &r.result, err
	}
	if err := r.derive(ctx); err != nil {
		return &r.result, err
	}
	return &r.result, r.prove(ctx)
}

func (r *run) sortedCounts() []Count {
	var all []Count
	for _, name := range slices.Sorted(maps.Keys(r.counts)) {
		all = append(all, *r.counts[name])
	}
	return all
}

// erase removes facts. They are noted before, and their days marked; events go
// last, because they tell whose the rest is.
func (r *run) erase(ctx context.Context) error {
	if !r.DryRun {
		for _, p := range slices.SortedFunc(maps.Keys(r.plan.hashes), athenatrail.Partition.Compare) {
			if err := r.Lake.Forget(ctx, p, r.plan.hashes[p]); err != nil {
				return err
			}
		}
		if r.Before != 0 {
			if err := r.Lake.ForgetBefore(ctx, r.Before); err != nil {
				return err
			}
		}
	}
	list := &List{lake: r.Lake, salt: r.salt, before: r.Before, days: map[athenatrail.Partition]bool{}, hashes: map[athenatrail.Partition]map[string]bool{}}
	if r.DryRun {
		list.hashes = r.plan.hashes
		for p := range r.plan.hashes {
			list.days[p] = true
		}
	} else {
		stored, err := Load(ctx, r.Lake)
		if err != nil {
			return err
		}
		if stored != nil {
			list = stored
		}
	}
	if err := r.mark(ctx, list); err != nil {
		return err
	}
	for _, sweep := range []func() error{
		func() error { return sweep(ctx, r, lake.Details, list) },
		func() error { return sweep(ctx, r, lake.QueryTexts, list) },
		func() error { return sweep(ctx, r, lake.DataAccess, list) },
		func() error { return sweep(ctx, r, lake.RoleSessions, list) },
		func() error { return sweep(ctx, r, lake.References, list) },
		func() error { return sweep(ctx, r, lake.Catalog, list) },
		func() error { return sweep(ctx, r, lake.SessionEvents, list) },
		func() error { return sweep(ctx, r, lake.Events, list) },
	} {
		if err := sweep(); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the facts of one kind that are on the list.
func sweep[T any](ctx context.Context, r *run, fact *lake.Fact[T], list *List) error {
	return each(ctx, r, fact, func(p athenatrail.Partition) bool { return p.Date < list.before || list.days[p] }, func(row *T) (bool, error) {
		has, err := list.has(ctx, fact.Home(row), row)
		return !has, err
	})
}

// each rewrites the facts of one kind in the partitions that are wanted, or in
// a dry run counts what that would do.
func each[T any](ctx context.Context, r *run, fact *lake.Fact[T], want func(athenatrail.Partition) bool, change func(*T) (keep bool, err error)) error {
	count := r.counts[fact.Name()]
	if count == nil {
		count = &Count{Fact: fact.Name()}
		r.counts[fact.Name()] = count
	}
	var parts []athenatrail.Partition
	for file, err := range lake.Partitions(ctx, r.Lake, fact, 0, 0) {
		if err != nil {
			return err
		}
		if want(file.Partition) {
			parts = append(parts, file.Partition)
		}
	}
	for _, p := range parts {
		var failed error
		keep := func(row *T) bool {
			kept, err := change(row)
			if err != nil && failed == nil {
				failed = err
			}
			return kept || err != nil
		}
		rewrite := lake.Rewrite[T]
		if r.DryRun {
			rewrite = lake.WouldRewrite[T]
		}
		erased, altered, err := rewrite(ctx, r.Lake, fact, p, keep)
		if err = errors.Join(failed, err); err != nil {
			return err
		}
		if erased+altered > 0 {
			count.Erased += int64(erased)
			count.Altered += int64(altered)
			count.Files++
		}
	}
	return nil
}

// mark marks every day that may derive from what is erased: those around it,
// in all accounts.
func (r *run) mark(ctx context.Context, list *List) error {
	if r.DryRun {
		return nil
	}
	days, err := r.days(ctx)
	if err != nil {
		return err
	}
	dates := map[athenatrail.Date]bool{}
	for _, p := range days {
		if p.Date < list.before || list.days[p] || r.touched[p] {
			for d := p.Date - derive.SessionDays; d <= p.Date+derive.SessionDays; d++ {
				dates[d] = true
			}
		}
	}
	for _, p := range days {
		if !dates[p.Date] {
			continue
		}
		if err := r.Lake.Mark(ctx, p, r.RunID); err != nil {
			return fmt.Errorf("mark %s to be derived: %w", p, err)
		}
	}
	return nil
}

// days returns every partition with facts or tables.
func (r *run) days(ctx context.Context) ([]athenatrail.Partition, error) {
	all := map[athenatrail.Partition]bool{}
	for _, prefix := range []string{"facts/", "tables/"} {
		for file, err := range r.Lake.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			if p, ok := partitionOf(file.Key); ok {
				all[p] = true
			}
		}
	}
	for _, table := range []lake.Dataset{lake.Activity, lake.QueryExecutions, lake.Sessions, lake.Calculations, lake.UsageRollup, lake.TableRollup} {
		for file, err := range lake.Partitions(ctx, r.Lake, table, 0, 0) { // closed files hold many
			if err != nil {
				return nil, err
			}
			all[file.Partition] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), athenatrail.Partition.Compare), nil
}

// partitionOf reads the partition out of a key of facts/ or tables/.
func partitionOf(key string) (athenatrail.Partition, bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 {
		return athenatrail.Partition{}, false
	}
	p, err := athenatrail.ParsePartition(strings.TrimPrefix(parts[2], "dt="), strings.TrimSuffix(parts[3], ".parquet"))
	return p, err == nil
}

// dayOf reads the day out of a key of facts/ or tables/.
func dayOf(key string) (athenatrail.Date, bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 {
		return 0, false
	}
	day, err := athenatrail.ParseDate(strings.TrimPrefix(parts[2], "dt="))
	return day, err == nil
}

func (r *run) derive(ctx context.Context) error {
	b := &rebuild.Builder{Lake: r.Lake, Settings: r.Settings, Jobs: r.Jobs, Done: r.Done}
	days, err := b.Marked(ctx)
	r.result.Derived = len(days)
	return err
}

// isTimeless reports whether a file says what still holds after its day, and
// stays when the days before one go.
func isTimeless(key string) bool {
	return strings.HasPrefix(key, "facts/"+lake.References.Name()+"/") || strings.HasPrefix(key, "facts/"+lake.Catalog.Name()+"/")
}

// prove looks for what was erased.
func (r *run) prove(ctx context.Context) (err error) {
	if r.Texts {
		r.result.Scan, err = r.proveTexts(ctx)
		return err
	}
	if r.Person != "" {
		r.result.Names = len(r.names)
		r.result.Scan, err = scanFor(ctx, r.Lake, r.names)
		return err
	}
	s := &Scan{}
	for file, err := range r.Lake.List(ctx, "") {
		if err != nil {
			return err
		}
		s.Files++
		day, ok := dayOf(file.Key)
		if ok && day < r.Before && !strings.HasPrefix(file.Key, "_") && !isTimeless(file.Key) {
			s.Left = append(s.Left, Leftover{Path: file.Key, Where: "the file", Times: 1, Why: "a run may have written it meanwhile: forget again"})
		}
	}
	r.result.Scan = s
	return nil
}
