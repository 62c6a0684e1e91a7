package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// Details says who answers for an account and region.
type Details interface {
	// Of returns who to ask. The error is ErrNoRole where there is no way into
	// that account, and nil with a nil Asker where nobody is to be asked.
	Of(ctx context.Context, account, region string) (Asker, error)
}

// An Asker asks Athena in one account and region: [athenaapi.Client].
type Asker interface {
	Details(ctx context.Context, now time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer]
}

// ErrNoRole means that there is no role into an account.
var ErrNoRole = errors.New("no role into the account")

// NotAsked is the outcome, in a summary, of ids that could not be asked.
const NotAsked = "not_asked"

// details asks for what the marked days and the rows with an open gap lack.
func (r *run) details(ctx context.Context) error {
	if r.Details == nil {
		for _, t := range r.triggered() {
			t.settle(ctx, r) // asking is not wanted, so the message has no use
		}
		return nil
	}
	wanted, err := r.wanted(ctx)
	if err != nil {
		return err
	}
	type place struct{ account, region string }
	places := map[place][]athenaapi.Wanted{}
	triggers, err := r.triggers(ctx, wanted)
	if err != nil {
		return err
	}
	started := starts{}
	// A session whose start the trail lacks may be wanted for several days: it
	// is asked for once, for the first.
	for _, p := range slices.SortedFunc(maps.Keys(wanted), athenatrail.Partition.Compare) {
		at := place{p.Account, p.Region}
		for _, w := range wanted[p] {
			about := subjectOf(p.Account, p.Region, w.Kind, w.ID)
			if _, ok := started[about]; ok {
				continue
			}
			started[about] = p
			places[at] = append(places[at], w)
			r.sum.Wanted++
		}
	}
	var mu sync.Mutex
	var done int64
	failures, hints := map[string][]string{}, map[string]string{} // by the error's text
	group, c := errgroup.WithContext(ctx)
	group.SetLimit(8) // they wait on Athena, not on this machine
	for at, ids := range places {
		slices.SortFunc(ids, func(a, b athenaapi.Wanted) int {
			return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID))
		})
		group.Go(func() error {
			return r.ask(c, at.account, at.region, ids, started, func(answers []athenaapi.Answer, failed error, lost int64) {
				mu.Lock()
				defer mu.Unlock()
				for _, a := range answers {
					r.sum.Outcomes[a.Detail.Outcome]++
				}
				if lost > 0 {
					r.sum.Outcomes[NotAsked] += lost
				}
				if failed != nil {
					failures[failed.Error()] = append(failures[failed.Error()], at.account+" "+at.region)
					if hints[failed.Error()] == "" {
						hints[failed.Error()] = hintOf(failed)
					}
				}
				done += int64(len(answers)) + lost
				r.progress(Progress{Stage: StageDetails, Done: done, Total: r.sum.Wanted})
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, text := range slices.Sorted(maps.Keys(failures)) {
		slices.Sort(failures[text])
		r.sum.problem("ask Athena in %s: %s%s", strings.Join(failures[text], ", "), text, hints[text])
	}
	for _, t := range triggers {
		t.settle(ctx, r)
	}
	return nil
}

// A subject is what is asked about: two accounts may name the same id.
type subject struct{ account, region, kind, id string }

func subjectOf(account, region, kind, id string) subject {
	return subject{account, region, cmp.Or(kind, athenatrail.KindQueryExecution), id}
}

// starts are the partitions of what is asked for.
type starts map[subject]athenatrail.Partition

// hintOf returns what an error advises, to go behind its text.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		return " (" + h.Hint() + ")"
	}
	return ""
}

// storeEvery is how many answers are stored together.
const storeEvery = 2000

// ask asks for the ids of one account and region, and stores the answers in
// parts; tell is told of each part, and of what could not be asked.
func (r *run) ask(ctx context.Context, account, region string, ids []athenaapi.Wanted, started starts, tell func(answers []athenaapi.Answer, failed error, lost int64)) error {
	asker, err := r.Details.Of(ctx, account, region)
	switch {
	case errors.Is(err, ErrNoRole):
		var answers []athenaapi.Answer
		for _, w := range ids {
			answers = append(answers, noRole(w, started[subjectOf(account, region, w.Kind, w.ID)]))
		}
		if err := r.storeAnswers(ctx, answers, started); err != nil {
			return err
		}
		tell(answers, nil, 0)
		return nil
	case err != nil:
		tell(nil, err, int64(len(ids)))
		return ctx.Err()
	case asker == nil:
		tell(nil, nil, int64(len(ids)))
		return nil
	}
	var answers []athenaapi.Answer
	var failed error
	lost := int64(0)
	store := func() error {
		if err := r.storeAnswers(ctx, answers, started); err != nil {
			return err
		}
		tell(answers, nil, 0)
		answers = nil
		return nil
	}
	for a := range asker.Details(ctx, r.Now, ids) {
		if a.Err != nil {
			if failed == nil {
				failed = a.Err
			}
			lost++
			continue
		}
		if answers = append(answers, a); len(answers) == storeEvery {
			if err := store(); err != nil {
				return err
			}
		}
	}
	if err := store(); err != nil {
		return err
	}
	if lost > 0 {
		tell(nil, failed, lost)
	}
	return ctx.Err()
}

// noRole is the answer for an account without a way in. It says nothing that
// a later run with a role would not replace.
func noRole(w athenaapi.Wanted, home athenatrail.Partition) athenaapi.Answer {
	return athenaapi.Answer{Wanted: w, Detail: athenatrail.Detail{
		Home:    home,
		Kind:    cmp.Or(w.Kind, athenatrail.KindQueryExecution),
		ID:      w.ID,
		Outcome: athenatrail.OutcomeNoRole,
	}}
}

// storeAnswers stores answers, and marks the days of their starts where an
// answer was better than what was held. Were the run killed in between, lacking
// would find the rows that do not tell what is held.
func (r *run) storeAnswers(ctx context.Context, answers []athenaapi.Answer, started starts) error {
	details, texts, err := r.entrance.answers(ctx, answers)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	better := map[athenatrail.Partition]bool{} // partitions of details
	group, c := errgroup.WithContext(ctx)
	group.SetLimit(r.Jobs)
	merge(c, group, r.Lake, lake.QueryTexts, texts, func(athenatrail.Partition, int) {})
	if err := group.Wait(); err != nil {
		return err
	}
	group, c = errgroup.WithContext(ctx)
	group.SetLimit(r.Jobs)
	merge(c, group, r.Lake, lake.Details, details, func(p athenatrail.Partition, n int) {
		mu.Lock()
		defer mu.Unlock()
		better[p] = n > 0
	})
	if err := group.Wait(); err != nil {
		return err
	}
	marks := days{}
	for i := range details {
		d := &details[i]
		if p, ok := started[subjectOf(d.Home.Account, d.Home.Region, d.Kind, d.ID)]; ok && better[d.Home] {
			marks[p] = true
			if d.Kind == athenatrail.KindQueryExecution {
				marks[d.Home] = true // where a trigger named it, p is a guess
			}
		}
	}
	if err := r.sparkMarks(ctx, slices.DeleteFunc(details, func(d athenatrail.Detail) bool { return !better[d.Home] }), marks); err != nil {
		return err
	}
	return r.setMarks(ctx, marks)
}

// A held detail is what is read of the details that the lake has.
type held struct {
	Kind    string `parquet:"kind"`
	ID      string `parquet:"id"`
	Outcome string `parquet:"outcome"`
	Final   bool   `parquet:"final"`

	Submitted time.Time `parquet:"submitted_at,optional,timestamp(millisecond:local)"`
}

// wanted returns the ids to ask for, by the partition of their start: those
// of marked days, and of days that hold rows with an open gap. A day whose
// rows lack what the lake holds already is marked, with those around that
// share the session of such a row.
func (r *run) wanted(ctx context.Context) (map[athenatrail.Partition][]athenaapi.Wanted, error) {
	candidates, err := r.days(ctx)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	wanted := map[athenatrail.Partition][]athenaapi.Wanted{}
	group, c := errgroup.WithContext(ctx)
	group.SetLimit(max(8, r.Jobs))
	for p, marked := range candidates {
		group.Go(func() error {
			ids, behind, err := r.lacking(c, p)
			if err == nil && behind && !marked {
				err = r.setMarks(c, days{p: true})
			}
			if err == nil {
				err = r.markBehind(c, p)
			}
			if err != nil {
				return fmt.Errorf("look for starts without a detail on %s: %w", p, err)
			}
			if len(ids) > 0 {
				mu.Lock()
				defer mu.Unlock()
				wanted[p] = ids
			}
			return nil
		})
	}
	return wanted, group.Wait()
}

// days returns the days that may lack details, with whether they are marked.
func (r *run) days(ctx context.Context) (map[athenatrail.Partition]bool, error) {
	open, err := r.Lake.OpenGaps(ctx)
	if err != nil {
		return nil, err
	}
	days := map[athenatrail.Partition]bool{}
	for _, p := range open {
		days[p] = false
	}
	marks, err := r.Lake.Marks(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		days[m.Partition] = true
	}
	return days, nil
}

// lacking returns the starts of a day that no settled detail answers, and
// whether a row tells less than the details that are held.
func (r *run) lacking(ctx context.Context, p athenatrail.Partition) (ids []athenaapi.Wanted, behind bool, err error) {
	type start struct {
		Name string    `parquet:"event_name"`
		ID   string    `parquet:"query_execution_id,optional"`
		Time time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	}
	earlier := map[string]bool{} // started the day before: asked for there
	for e, err := range lake.ReadAs[start](ctx, r.Lake, lake.Events, p.On(p.Date-1)) {
		if err != nil {
			return nil, false, err
		}
		if e.Name == derive.StartEvent {
			earlier[e.ID] = true
		}
	}
	starts := map[string]time.Time{}
	for e, err := range lake.ReadAs[start](ctx, r.Lake, lake.Events, p) {
		if err != nil {
			return nil, false, err
		}
		if e.Name != derive.StartEvent || e.ID == "" || earlier[e.ID] {
			continue
		}
		if t, ok := starts[e.ID]; !ok || e.Time.Before(t) {
			starts[e.ID] = e.Time
		}
	}
	settled := map[string]bool{}
	gaps := map[string]string{} // by the details that are held
	for d := p.Date - 1; d <= p.Date+1; d++ {
		for h, err := range lake.ReadAs[held](ctx, r.Lake, lake.Details, p.On(d)) {
			if err != nil {
				return nil, false, err
			}
			if h.Kind != athenatrail.KindQueryExecution {
				continue
			}
			gap := athenatrail.GapOf(h.Outcome, h.Final)
			if was, ok := gaps[h.ID]; !ok || athenatrail.GapIsOpen(was) {
				gaps[h.ID] = gap
			}
			settled[h.ID] = settled[h.ID] || !athenatrail.GapIsOpen(gap)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(starts)) {
		if !settled[id] {
			ids = append(ids, athenaapi.Wanted{ID: id, Started: starts[id]})
		}
	}
	spark, err := r.lackingSpark(ctx, p)
	if err != nil {
		return nil, false, err
	}
	ids = append(ids, spark...)
	type row struct {
		ID  string `parquet:"query_execution_id,optional"`
		Gap string `parquet:"gap,optional"`
	}
	for q, err := range lake.ReadAs[row](ctx, r.Lake, lake.QueryExecutions, p) {
		if err != nil {
			return nil, false, err
		}
		if gap, ok := gaps[q.ID]; ok && athenatrail.GapIsOpen(q.Gap) && gap != q.Gap {
			return ids, true, nil
		}
	}
	return ids, false, nil
}
