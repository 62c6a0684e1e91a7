package athenaapi

import (
	"context"
	"slices"
	"sync"

	"github.com/athenatrail/athenatrail"
)

// A run is what the calls for one kind have learnt in one Details.
type run struct {
	*Client
	kind kind

	mu      sync.Mutex
	splits  int               // calls that may still be made to split batches
	denied  map[string]string // what Athena says of a work group, by its name
	heard   bool              // a call was neither denied nor failed
	denials int               // calls for one id that were denied
	lost    int               // batches in a row that failed after all their calls
	fatal   error             // why no call can succeed any more
}

func (r *run) won() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost, r.heard = 0, true
}

func (r *run) lose() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost++
	return r.lost
}

// isAnswered reports whether no call has to be made for ids any more.
func (r *run) isAnswered(ids []Wanted) bool {
	ask, _ := r.partDenied(ids)
	_, all := r.deniedAltogether()
	return len(ask) == 0 || all || r.failed() != nil
}

// batch asks for up to 50 query executions in one call.
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
		Kind:    w.Kind,
		ID:      w.ID,
		Outcome: outcome,
		Message: message,
	}}
}
