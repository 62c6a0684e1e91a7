package athenaapi

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// The operations that have a pace of their own.
const (
	OpBatchGetQueryExecution  = "BatchGetQueryExecution"
	OpGetSession              = "GetSession"
	OpGetCalculationExecution = "GetCalculationExecution"
	OpListTagsForResource     = "ListTagsForResource"
	OpGetWorkGroup            = "GetWorkGroup"
	OpListWorkGroups          = "ListWorkGroups"
	OpListQueryExecutions     = "ListQueryExecutions"
)

const (
	// DefaultRate is half of the calls a second that Athena documents for
	// BatchGetQueryExecution (service quotas: 20): the account's users share
	// the quota.
	DefaultRate = 10

	// DefaultOtherRate is for the operations whose quota is not documented:
	// half of the lowest that is documented for any operation of Athena (5).
	DefaultOtherRate = 2.5

	// slowest is where a pace that is throttled again and again ends, in
	// calls a second.
	slowest = 0.2
)

// Pacers hold one pace for each account, region and operation, because that is
// what AWS's quotas are for. They may be used by several goroutines.
type Pacers struct {
	mu    sync.Mutex
	rates map[string]float64 // calls a second, by operation
	paces map[paceKey]*pace
}

type paceKey struct{ account, region, operation string }

// NewPacers returns pacers of so many BatchGetQueryExecution a second; zero is
// [DefaultRate]. The other operations have [DefaultOtherRate] until SetRate.
func NewPacers(perSecond float64) *Pacers {
	p := &Pacers{rates: map[string]float64{OpBatchGetQueryExecution: DefaultRate}, paces: map[paceKey]*pace{}}
	p.SetRate(OpBatchGetQueryExecution, perSecond)
	return p
}

// SetRate sets the calls a second of one operation, for each account and
// region that has not been asked by it yet. Zero changes nothing.
func (p *Pacers) SetRate(operation string, perSecond float64) {
	if perSecond <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rates[operation] = perSecond
}

func (p *Pacers) of(account, region, operation string) *pace {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := paceKey{account, region, operation}
	held, ok := p.paces[key]
	if !ok {
		rate, set := p.rates[operation]
		if !set {
			rate = DefaultOtherRate
		}
		held = newPace(rate)
		p.paces[key] = held
	}
	return held
}

// A pace is a token bucket that halves its rate when AWS throttles, and wins
// it back in steps of a hundredth with every call that is answered.
type pace struct {
	full float64 // calls a second

	granted atomic.Int64 // calls that may be made without waiting

	mu      sync.Mutex
	bucket  *rate.Limiter
	lowered time.Time
}

func newPace(perSecond float64) *pace {
	burst := max(1, int(math.Ceil(perSecond/2)))
	return &pace{full: perSecond, bucket: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

func (p *pace) wait(ctx context.Context) error {
	for n := p.granted.Load(); n > 0; n = p.granted.Load() {
		if p.granted.CompareAndSwap(n, n-1) {
			return ctx.Err()
		}
	}
	return p.bucket.Wait(ctx)
}

// grant waits as a call does, for one that is made right after.
func (p *pace) grant(ctx context.Context) {
	if p.bucket.Wait(ctx) == nil {
		p.granted.Add(1)
	}
}

func (p *pace) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := float64(p.bucket.Limit()); now < p.full {
		p.bucket.SetLimit(rate.Limit(min(p.full, now+p.full/100)))
	}
}

// together is the time in which several throttled calls count as one: they
// were under way side by side.
const together = 200 * time.Millisecond

// throttled halves the rate.
func (p *pace) throttled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.lowered) < together {
		return
	}
	p.lowered = now
	p.bucket.SetLimit(rate.Limit(max(min(slowest, p.full), float64(p.bucket.Limit())/2)))
}

// sleep waits a random time of up to base, doubled with every attempt after
// the first.
func (r retryPolicy) sleep(ctx context.Context, attempt int) error {
	longest := r.most
	if shift := attempt - 1; shift < 20 {
		longest = min(r.most, r.base<<shift)
	}
	t := time.NewTimer(longest/2 + rand.N(longest/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
