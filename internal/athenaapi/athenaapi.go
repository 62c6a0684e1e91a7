// Package athenaapi asks Athena about query executions, 50 ids a call
// (BatchGetQueryExecution), and about the sessions and calculations of Athena
// for Apache Spark, one id a call (GetSession, GetCalculationExecution), at a
// pace that leaves the account's users their quota, and turns the answers into
// facts for the lake. It reads the tags and settings of work groups too.
//
// Athena answers about an execution for 45 days. A batch fails as a whole when
// one of its ids lies in a work group that the caller may not read; such a
// batch is split until the ids that are denied stand alone.
//
// The code of a calculation is never asked for. Of what a session and a
// calculation do tell, only what spark.go lists is kept: Spark properties,
// classifications, logging, encryption keys and the places of results are not.
package athenaapi

import (
	"cmp"
	"context"
	"fmt"
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
	// ListQueryExecutions). For sessions and calculations nothing is
	// documented; they are asked for as long.
	historyDays = 45

	// BatchSize is the most ids that BatchGetQueryExecution takes.
	BatchSize = 50

	// inFlight is how many calls of one operation wait for an answer side by
	// side at most. A call is begun when the pace allows it, so that as many
	// wait as there are calls in the time of an answer: with 20 a second and
	// answers of 3 s, 60.
	inFlight = 64

	// maxSplits bounds the calls that one Details makes to find out which ids
	// of denied batches are denied. It is enough for three batches that are
	// denied whole, or for 16 ids scattered over as many batches.
	maxSplits = 300

	// mostLost is how many batches in a row may fail, each after its retries,
	// before the rest is not asked for: the network or the service is down.
	mostLost = 6

	// mostDenied is how many sessions, or calculations, may be denied before
	// any is answered; then the rest is taken to be denied too. Most of them
	// name no work group by which one denial would speak for others.
	mostDenied = 100
)

// A Wanted is an execution, a session or a calculation to ask about.
type Wanted struct {
	// Kind is one of athenatrail's kinds of details; empty means
	// [athenatrail.KindQueryExecution].
	Kind string

	ID string

	// Started is the time of its first start event; of a session whose start
	// is not in the trail, of the first event that names it. Its day is where
	// the fact lies when Athena does not answer.
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

	// Text is the execution's SQL; nil when there was no answer or no SQL, and
	// for sessions and calculations.
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
	pacers  *Pacers
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
		pacers:  pacers,
		retry:   defaultRetry,
	}
}

// A kind is how ids of one kind of details are asked for.
type kind struct {
	name   string
	noun   string
	op     string
	batch  int            // ids a call
	idForm *regexp.Regexp // what the operation takes as an id (API reference)

	// away is how far the time that Athena tells may lie from the start event.
	// One further off is not to be believed.
	away time.Duration

	final []string // states that will not change any more
	ask   func(r *run, ctx context.Context, ids []Wanted) []Answer
}

func kinds() []kind {
	return []kind{
		{
			name: athenatrail.KindQueryExecution, noun: "a query execution", op: OpBatchGetQueryExecution, batch: BatchSize,
			idForm: executionID, away: maxAway, final: executionFinal, ask: (*run).batch,
		},
		{
			name: athenatrail.KindSession, noun: "a session", op: OpGetSession, batch: 1,
			idForm: sessionID, away: maxSessionAway, final: sessionFinal, ask: (*run).single,
		},
		{
			name: athenatrail.KindCalculation, noun: "a calculation execution", op: OpGetCalculationExecution, batch: 1,
			idForm: calculationID, away: maxAway, final: calculationFinal, ask: (*run).single,
		},
	}
}

// An id that an operation does not take would fail a whole batch.
var (
	executionID   = regexp.MustCompile(`^[!-~]{1,128}$`)
	sessionID     = regexp.MustCompile(`^[!-~]{1,256}$`)
	calculationID = regexp.MustCompile(`^[!-~]{1,36}$`)
)

// Details asks for the details of wanted, of all kinds side by side. Each kind
// and id yields exactly one Answer, whatever happens; one that is wanted twice
// yields one, with its earliest start. The order is not that of wanted. What
// started more than 45 days before now is not asked for. Throttling is waited
// out until ctx is done.
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
		answers := make(chan []Answer, 4)
		go func() {
			defer close(answers)
			var all sync.WaitGroup
			for _, k := range kinds() {
				// Each kind has its own: what is denied or throttled for one
				// operation says nothing about another.
				run := &run{Client: c, kind: k, splits: maxSplits, denied: map[string]string{}}
				pace := c.pacers.of(c.account, c.region, k.op)
				all.Go(func() {
					var g errgroup.Group
					g.SetLimit(inFlight)
					for ids := range slices.Chunk(ask[k.name], k.batch) {
						// A batch waits for its turn here, and not with many others
						// beside it, so that it knows what the ones before it learnt.
						if !run.isAnswered(ids) {
							pace.grant(ctx)
						}
						g.Go(func() error {
							answers <- k.ask(run, ctx, ids)
							return nil
						})
					}
					g.Wait()
				})
			}
			all.Wait()
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

// sort parts the ids to ask for, by kind and in the order of work groups so
// that a denied one spoils few batches, from those whose answer is known
// without asking.
func (c *Client) sort(now time.Time, wanted []Wanted) (ask map[string][]Wanted, known []Answer) {
	oldest := now.Add(-historyDays * 24 * time.Hour)
	sorted := slices.Clone(wanted)
	for i := range sorted {
		if sorted[i].Kind == "" {
			sorted[i].Kind = athenatrail.KindQueryExecution
		}
	}
	slices.SortStableFunc(sorted, func(a, b Wanted) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID), a.Started.Compare(b.Started))
	})
	sorted = slices.CompactFunc(sorted, func(a, b Wanted) bool { return a.Kind == b.Kind && a.ID == b.ID })
	ask = map[string][]Wanted{}
	all := kinds()
	for _, w := range sorted {
		i := slices.IndexFunc(all, func(k kind) bool { return k.name == w.Kind })
		switch {
		case i < 0:
			known = append(known, Answer{Wanted: w, Err: fmt.Errorf("ask for the detail of %q: unknown kind %q", w.ID, w.Kind)})
		case w.Started.Before(oldest) && !w.Started.IsZero():
			known = append(known, c.without(w, athenatrail.OutcomeTooOld, ""))
		case !all[i].idForm.MatchString(w.ID):
			known = append(known, c.without(w, athenatrail.OutcomeNotFound, "not "+all[i].noun+" id"))
		default:
			ask[w.Kind] = append(ask[w.Kind], w)
		}
	}
	for _, ids := range ask {
		slices.SortStableFunc(ids, func(a, b Wanted) int { return strings.Compare(a.WorkGroup, b.WorkGroup) })
	}
	return ask, known
}
