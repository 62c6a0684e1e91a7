package source

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// A message is one that was received and is under way.
type message struct {
	id, receipt string
	receives    int       // how often SQS gave it, this time included
	until       time.Time // when SQS gives it again
	lost        bool      // it cannot be kept any longer

	open   int  // what it announces and is not settled
	failed bool // something of it was not read
}

// A thing is what messages announce: a log file, or a trigger.
type thing struct {
	key, etag string
	trigger   Trigger
}

// Awaited is a thing with the messages that wait for it to be settled.
type awaited struct {
	object   Object
	messages []*message
}

// A holding is the messages that are under way, and what they wait for.
type holding struct {
	mu       sync.Mutex
	messages map[string]*message // by id
	awaited  map[thing]*awaited
	inPlace  map[thing]bool // log files settled since the last List began
	triggers []Trigger      // not yet returned
	finished []*message     // to remove
	returned []*message     // to give back

	listings int
	more     bool
	unread   map[string]bool // ids of messages that say nothing
	unreadIn []string        // these, the oldest first

	stopBeat   context.CancelFunc // nil while there is no heartbeat
	complaints []error            // what SQS refused, and nobody was told
	complained map[string]bool
}

func newHolding() holding {
	return holding{messages: map[string]*message{}, awaited: map[thing]*awaited{}, inPlace: map[thing]bool{}, unread: map[string]bool{}, complained: map[string]bool{}}
}

// begin begins a listing. It returns the log files that are still not settled:
// the run that they were listed for is over. Triggers of that run are given
// back: they need not be asked for at any price.
func (h *holding) begin() []Object {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listings++
	h.more = false
	clear(h.complained)
	clear(h.inPlace)
	var left []Object
	var triggers []thing
	for t, w := range h.awaited {
		if t.key == "" {
			triggers = append(triggers, t)
		} else {
			left = append(left, w.object)
		}
	}
	for _, t := range triggers {
		h.settle(t, false)
	}
	h.triggers = nil
	slices.SortFunc(left, func(a, b Object) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ETag, b.ETag))
	})
	return left
}

// listed ends a listing.
func (h *holding) listed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listings--
}

func (h *holding) held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.messages)
}

func (h *holding) setMore(more bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.more = more
}

// More reports whether the last List ended because it held enough.
func (h *holding) More() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.more
}

// hold begins to hold a message until done is called for it, and what it
// announces is settled. It reports false for one that is held already: SQS
// gave it again, and its receipt is the one to use from now on.
func (h *holding) hold(m *message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before := h.messages[m.id]; before != nil {
		before.receipt, before.until, before.receives, before.lost = m.receipt, m.until, m.receives, false
		return false
	}
	m.open = 1
	h.messages[m.id] = m
	return true
}

// announce makes a message wait for a thing, unless it is in place, and reports
// whether it is the first to.
func (h *holding) announce(m *message, t thing, o Object) (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inPlace[t] {
		return false
	}
	w := h.awaited[t]
	if w == nil {
		w = &awaited{object: o}
		h.awaited[t] = w
		if t.key == "" {
			h.triggers = append(h.triggers, t.trigger)
		}
		first = true
	}
	if !slices.Contains(w.messages, m) {
		m.open++
		w.messages = append(w.messages, m)
	}
	return first
}

// done says that all that the message announces is known.
func (h *holding) done(m *message, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.less(m, ok)
}

// less takes one from what a message waits for. mu is held.
func (h *holding) less(m *message, ok bool) {
	m.failed = m.failed || !ok
	if m.open--; m.open > 0 {
		return
	}
	delete(h.messages, m.id)
	if m.failed {
		h.returned = append(h.returned, m)
	} else {
		h.finished = append(h.finished, m)
	}
	if len(h.messages) == 0 && h.stopBeat != nil {
		h.stopBeat()
		h.stopBeat = nil
	}
}

// settle tells those who wait for a thing. mu is held.
func (h *holding) settle(t thing, ok bool) {
	w := h.awaited[t]
	if w == nil {
		return
	}
	delete(h.awaited, t)
	if ok && t.key != "" {
		h.inPlace[t] = true
	}
	for _, m := range w.messages {
		h.less(m, ok)
	}
}

// Triggers returns the triggers received since the last call.
func (h *holding) Triggers() []Trigger {
	h.mu.Lock()
	defer h.mu.Unlock()
	triggers := h.triggers
	h.triggers = nil
	return triggers
}

// isNew remembers a message that says nothing, and reports whether it was not
// known before.
func (h *holding) isNew(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.unread[id] {
		return false
	}
	if len(h.unreadIn) == remembered {
		delete(h.unread, h.unreadIn[0])
		h.unreadIn = h.unreadIn[1:]
	}
	h.unread[id] = true
	h.unreadIn = append(h.unreadIn, id)
	return true
}

// complain notes what SQS refused, once each listing.
func (h *holding) complain(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if text := err.Error(); !h.complained[text] && len(h.complained) < 100 {
		h.complained[text] = true
		h.complaints = append(h.complaints, err)
	}
}
