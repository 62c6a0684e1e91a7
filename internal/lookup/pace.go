package lookup

import (
	"context"
	"sync"
	"time"
)

const (
	// slowest is where a pace that is throttled again and again ends, in
	// calls a second.
	slowest = 0.1

	// steps is by how many answers a pace wins back its whole rate: after a
	// throttle that halved it, half a minute at two calls a second.
	steps = 50
)

// A pace says when the next call may be made. Calls are evenly apart. A
// throttle, by which CloudTrail tells that others ask too, halves the rate;
// every answer wins a step of it back.
type pace struct {
	full float64 // calls a second

	mu      sync.Mutex
	rate    float64
	next    time.Time // of the next call
	lowered time.Time
}

func newPace(perSecond float64) *pace { return &pace{full: perSecond, rate: perSecond} }

func (p *pace) interval() time.Duration { return time.Duration(float64(time.Second) / p.rate) }

// delay returns how long to wait for the next call.
func (p *pace) delay(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next.Sub(now)
}

// take is told that a call is made. What a timer was late by is caught up
// with; a time in which there was nothing to ask is not.
func (p *pace) take(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.next
	if earliest := now.Add(-p.interval() / 4); due.Before(earliest) {
		due = earliest
	}
	p.next = due.Add(p.interval())
}

// wait waits for the next call and takes it.
func (p *pace) wait(ctx context.Context) error {
	for {
		d := p.delay(time.Now())
		if d <= 0 {
			p.take(time.Now())
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
		}
	}
}

func (p *pace) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = min(p.full, p.rate+p.full/steps)
}

// throttled is told that a call was refused, and when it was sent: calls that
// were under way when the rate was halved tell nothing new.
func (p *pace) throttled(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.lowered) {
		return
	}
	now := time.Now()
	p.lowered = now
	p.rate = max(min(slowest, p.full), p.rate/2)
	if next := now.Add(p.interval()); p.next.Before(next) {
		p.next = next
	}
}
