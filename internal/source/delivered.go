package source

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
)

// A Message is one of a queue, as somebody else received it.
type Message struct {
	ID       string
	Body     string
	Receives int // how often it was received, this time included
}

// A Delivered is messages that were received already, and will be removed by
// whoever received them: those that Lambda gives to a function. It is a
// [Queue] without a name, of which nothing more comes.
type Delivered struct {
	messages []Message
	q        *queue
}

// NewDelivered returns the source of what messages announce.
func NewDelivered(messages []Message, d Deps) *Delivered {
	return &Delivered{messages, &queue{jobs: max(1, d.Jobs), s3: once(d.S3), holding: newHolding()}}
}

// Name is empty: how far a queue was read says nothing of its messages to come.
func (d *Delivered) Name() string { return "" }

// More is false.
func (d *Delivered) More() bool { return false }

// List yields the log files that the messages announce.
func (d *Delivered) List(ctx context.Context, _ Bounds) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, got := range d.messages {
			m := &message{id: got.ID, receives: got.Receives}
			if !d.q.hold(m) {
				continue
			}
			objects, failed := d.q.announcedBy(ctx, m, got.Body)
			for _, err := range failed {
				if !yield(Object{}, err) {
					return
				}
			}
			for _, o := range objects {
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// announcedBy returns the log files that a message announces and no other one
// did.
func (q *queue) announcedBy(ctx context.Context, m *message, body string) (found []Object, errs []error) {
	a, err := parseMessage(body)
	if err != nil {
		q.done(m, false)
		return nil, []error{fmt.Errorf("message %s: %w: %s", excerpt(m.id), err, excerpt(body))}
	}
	objects, errs := q.resolve(ctx, a.objects, m.receives > 1)
	for _, o := range objects {
		if q.announce(m, thing{key: o.Key, etag: o.ETag}, o) {
			found = append(found, o)
		}
	}
	for _, t := range a.triggers {
		q.announce(m, thing{trigger: t}, Object{})
	}
	q.done(m, len(errs) == 0)
	return found, errs
}

// Open, Settle, Triggers and Settled are those of a queue, except that no
// message is removed.
func (d *Delivered) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	return d.q.Open(ctx, o)
}

func (d *Delivered) Settle(_ context.Context, o Object, err error) error {
	return d.settled(thing{key: o.Key, etag: o.ETag}, err)
}

func (d *Delivered) Triggers() []Trigger { return d.q.Triggers() }

func (d *Delivered) Settled(_ context.Context, t Trigger, err error) error {
	return d.settled(thing{trigger: t}, err)
}

func (d *Delivered) settled(t thing, err error) error {
	d.q.mu.Lock()
	defer d.q.mu.Unlock()
	d.q.settle(t, err == nil)
	return nil
}

// Failed returns the ids of the messages of which not everything is in place,
// in the order in which they came.
func (d *Delivered) Failed() (ids []string) {
	d.q.mu.Lock()
	defer d.q.mu.Unlock()
	done := map[string]bool{}
	for _, m := range d.q.finished {
		done[m.id] = true
	}
	for _, m := range d.messages {
		if !done[m.ID] && !slices.Contains(ids, m.ID) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
