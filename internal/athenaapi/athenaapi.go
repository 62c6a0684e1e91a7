// Package athenaapi asks Athena about query executions, 50 ids a call
// (BatchGetQueryExecution), at a pace that leaves the account's users their
// quota, and turns the answers into facts for the lake.
//
// Athena answers about an execution for 45 days. A batch fails as a whole when
// one of its ids lies in a work group that the caller may not read; such a
// batch is split until the ids that are denied stand alone.
package athenaapi

import (
	"context"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail"
)

const (
	// historyDays is how long Athena keeps query history (API reference,
	// ListQueryExecutions).
	historyDays = 45

	// batchSize is the most ids that BatchGetQueryExecution takes.
	batchSize = 50

	// inFlight is how many calls wait for an answer side by side, so that the
	// pace and not the distance to the region decides.
	inFlight = 4

	// maxSplits bounds the calls that one Details makes to find out which ids
	// of denied batches are denied. It is enough for three batches that are
	// denied whole, or for 16 ids scattered over as many batches.
	maxSplits = 300

	// mostLost is how many batches in a row may fail, each after its retries,
	// before the rest is not asked for: the network or the service is down.
	mostLost = 6
)

// A Wanted is an execution to ask about.
type Wanted struct {
	ID string

	// Started is the time of its first start event. Its day is where the fact
	// lies when Athena does not answer.
	Started time.Time

	// WorkGroup is the one that the start event names, or empty. It saves
	// calls where Athena denies work groups.
	WorkGroup string
}

// An Answer is what became of one Wanted.
type Answer struct {
	Wanted Wanted

	// Detail is the fact to store. It is not valid when Err is set.
	Detail athenatrail.Detail

	// Text is the execution's SQL; nil when there was no answer or no SQL.
	Text *athenatrail.QueryText

	// Err says why Athena could not be asked: nothing is to be stored, and the
	// id is to be asked for again.
	Err error
}

// A Client asks Athena in one account and region.
type Client struct {
	api     *athena.Client
	account string
	region  string
	pace    *pace
	retry   retryPolicy
}

// New returns a client for account, whose credentials and region cfg holds.
// Clients that share pacers share their pace.
func New(cfg aws.Config, account string, pacers *Pacers) *Client {
	return &Client{
		api: athena.NewFromConfig(cfg, func(o *athena.Options) {
			// Calls are repeated here, where the pace can learn from it.
			o.Retryer = aws.NopRetryer{}
		}),
		account: account,
		region:  cfg.Region,
		pace:    pacers.of(account, cfg.Region, opBatchGetQueryExecution),
		retry:   defaultRetry,
	}
}

// Details asks for the details of wanted. Each id yields exactly one Answer,
// whatever happens; an id that is wanted twice yields one, with its earliest
// start. The order is not that of wanted. Ids that started more than 45 days
// before now are not asked for. Throttling is waited out until ctx is done.
//
// When the loop ends early, calls under way are cancelled.
func (c *Client) Details(ctx context.Context, now time.Time, wanted []Wanted) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		ask, known := c.sort(now, wanted)
		for _, a := range known {
			if !yield(a) {
				return
			}
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		answers := make(chan []Answer, inFlight)
		run := &run{Client: c, splits: maxSplits, denied: map[string]string{}}
		go func() {
			defer close(answers)
			var g errgroup.Group
			g.SetLimit(inFlight)
			for batch := range slices.Chunk(ask, batchSize) {
				g.Go(func() error {
					answers <- run.batch(ctx, batch)
					return nil
				})
			}
			g.Wait()
		}()
		stopped := false
		for batch := range answers {
			for _, a := range batch {
				if stopped = stopped || !yield(a); stopped {
					cancel()
					break
				}
			}
		}
	}
}

// idForm is what BatchGetQueryExecution takes as an id (API reference). One
// that it does not take would fail the whole batch.
var idForm = regexp.MustCompile(`^[!-~]{1,128}$`)

// sort parts the ids to ask for, by work group so that a denied one spoils few
// batches, from those whose answer is known without asking.
func (c *Client) sort(now time.Time, wanted []Wanted) (ask []Wanted, known []Answer) {
	oldest := now.Add(-historyDays * 24 * time.Hour)
	sorted := slices.Clone(wanted)
	slices.SortStableFunc(sorted, func(a, b Wanted) int {
		if n := strings.Compare(a.ID, b.ID); n != 0 {
			return n
		}
		return a.Started.Compare(b.Started)
	})
	sorted = slices.CompactFunc(sorted, func(a, b Wanted) bool { return a.ID == b.ID })
	for _, w := range sorted {
		switch {
		case w.Started.Before(oldest) && !w.Started.IsZero():
			known = append(known, c.without(w, athenatrail.OutcomeTooOld, ""))
		case !idForm.MatchString(w.ID):
			known = append(known, c.without(w, athenatrail.OutcomeNotFound, "not a query execution id"))
		default:
			ask = append(ask, w)
		}
	}
	slices.SortStableFunc(ask, func(a, b Wanted) int { return strings.Compare(a.WorkGroup, b.WorkGroup) })
	return ask, known
}

// A run is one call of Details: what its batches have learnt.
type run struct {
	*Client

	mu     sync.Mutex
	splits int               // calls that may still be made to split batches
	denied map[string]string // what Athena says of a work group, by its name
	lost   int               // batches in a row that failed after all their calls
	fatal  error             // why no call can succeed any more
}

func (r *run) won() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = 0
}

func (r *run) lose() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost++
	return r.lost
}

func (r *run) batch(ctx context.Context, batch []Wanted) []Answer {
	ask, answers := r.partDenied(batch)
	if len(ask) == 0 {
		return answers
	}
	if err := r.failed(); err != nil {
		return append(answers, refused(ask, err)...)
	}
	got, err := r.ask(ctx, ask)
	switch {
	case err == nil:
		r.won()
		return append(answers, got...)
	case isDenied(err):
		return append(answers, r.split(ctx, ask, err, athenatrail.OutcomeDenied)...)
	case isInvalid(err):
		return append(answers, r.split(ctx, ask, err, invalidOutcome(err))...)
	case isFatal(err) || r.lose() >= mostLost:
		r.fail(err)
	}
	return append(answers, refused(ask, err)...)
}

// split asks again in halves, after a call for batch was refused as a whole.
// When one id is left the refusal is its own: outcome. It is also the answer
// for all when the bound on splitting is reached.
func (r *run) split(ctx context.Context, batch []Wanted, refusal error, outcome string) (answers []Answer) {
	message := messageOf(refusal)
	if outcome == athenatrail.OutcomeDenied && r.deny(batch, message) {
		return r.batch(ctx, batch)
	}
	if len(batch) == 1 || !r.maySplit() {
		if len(batch) > 1 && outcome == athenatrail.OutcomeNotFound {
			outcome = athenatrail.OutcomeUnprocessed // one of them is not found; it is not known which
		}
		for _, w := range batch {
			answers = append(answers, r.without(w, outcome, message))
		}
		return answers
	}
	half := len(batch) / 2
	return append(r.batch(ctx, batch[:half]), r.batch(ctx, batch[half:])...)
}

// deny remembers the work group that a refusal concerns: the one that Athena
// names in it, or that of an id that stood alone. It reports whether that is
// the answer for some of batch.
func (r *run) deny(batch []Wanted, message string) bool {
	group := deniedWorkGroup(message)
	if group == "" && len(batch) == 1 {
		group = batch[0].WorkGroup
	}
	if group == "" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.denied[group]; !ok {
		r.denied[group] = message
	}
	return slices.ContainsFunc(batch, func(w Wanted) bool { return w.WorkGroup == group })
}

// partDenied answers for those whose work group is known to be denied.
func (r *run) partDenied(batch []Wanted) (ask []Wanted, answers []Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range batch {
		if message, ok := r.denied[w.WorkGroup]; ok && w.WorkGroup != "" {
			answers = append(answers, r.without(w, athenatrail.OutcomeDenied, message))
		} else {
			ask = append(ask, w)
		}
	}
	return ask, answers
}

func (r *run) maySplit() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.splits -= 2
	return r.splits >= 0
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fatal == nil {
		r.fatal = err
	}
}

func (r *run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fatal
}

func refused(batch []Wanted, err error) []Answer {
	answers := make([]Answer, len(batch))
	for i, w := range batch {
		answers[i] = Answer{Wanted: w, Err: err}
	}
	return answers
}

// without is the fact that Athena has no answer for w.
func (c *Client) without(w Wanted, outcome, message string) Answer {
	return Answer{Wanted: w, Detail: athenatrail.Detail{
		Home:    athenatrail.NewPartition(w.Started, c.account, c.region),
		Kind:    athenatrail.KindQueryExecution,
		ID:      w.ID,
		Outcome: outcome,
		Message: message,
	}}
}
