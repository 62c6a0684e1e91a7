// Package notify tells people: that a limit is near or over, what was done
// about it, what is unusual, and how the week went. A [Message] says what
// happened, a [Channel] of the configuration says whom to tell and how. What is
// to be sent is written to the lake first, as the fact notices, so that it is
// neither lost nor told twice.
//
// How messages leave is not here but in internal/notify/carrier.
package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Kind says what a message is about.
type Kind string

// The kinds.
const (
	LimitWarn  Kind = "limit_warn"  // a threshold is reached, nothing was done
	LimitStop  Kind = "limit_stop"  // what ran was stopped
	LimitBlock Kind = "limit_block" // nothing more can be started
	LimitLift  Kind = "limit_lift"  // a block has ended
	Anomaly    Kind = "anomaly"     // far above the habit
	Digest     Kind = "digest"      // the day or week in numbers
	Test       Kind = "test"        // somebody wants to see whether it arrives
)

// Kinds are all of them, in the order of the documentation.
var Kinds = []Kind{LimitWarn, LimitStop, LimitBlock, LimitLift, Anomaly, Digest, Test}

// A Message is what there is to tell. It is plain text throughout, untrusted
// and of any length: it is bounded, and escaped for the channel, when it is
// sent. What is empty is left out.
type Message struct {
	// Key tells the message from all others, such as
	// limit/analysts-day/person/rosa@example.com/100/2026-11-03T00:00:00Z. It
	// is sent once for each key and channel, whatever the number of processes
	// and runs that hand it over.
	Key string

	// At is when what the message tells of began, such as the start of the
	// limit's window. Its UTC day is where the lake keeps the notice, so it
	// must be the same whenever the message is made again, as Key is.
	At time.Time

	Kind Kind

	// Person is whom it is about, as reports name them. An e-mail address has
	// an @, and only then the person can be told themself. Empty where the
	// message is not about one person.
	Person      string
	SubjectKind string // person, team, work_group or all; of an anomaly also role or table
	Subject     string // its name
	Team        string

	// Headline is the message in one sentence, for kinds that have no limit.
	// Empty: it is made of the limit, the subject and the numbers.
	Headline string

	Limit     string // its name
	LimitText string // what it allows, such as "2 TB scanned a day for each person"
	Threshold int64  // per cent
	Percent   float64
	Used      string // with its unit, such as 1.4 TiB
	Allowed   string

	// Start and End are the window's; End is zero for one that moves.
	Start, End time.Time

	Queries  []Query  // those that cost most, the first most
	Done     []string // what was done, a sentence each: stopped 2 queries
	Advice   []string // what to change, a sentence each
	HowToAsk string   // for more; empty: as the channel's configuration has it

	// Text, HTML and Pictures are a digest's. Text is plain and in columns,
	// HTML is made by who escapes, and names the pictures by cid:.
	Text     string    `json:",omitempty"`
	HTML     string    `json:",omitempty"`
	Pictures []Picture `json:",omitempty"`
}

// A Picture is shown within the HTML of a letter.
type Picture struct {
	Name string // by which the HTML names it, letters and digits
	PNG  []byte
}

// A Query is one that a message names.
type Query struct {
	ID       string
	Started  time.Time
	Bytes    int64  // scanned, in bytes; below zero when it is not known
	Cost     string // with its currency; empty when it is not known
	Database string

	// SQL is the text or its beginning. It is sent only on channels that are
	// told to show it, in the run that hands the message over, and never
	// stored with the notice.
	SQL string `json:"-"`
}

// bounded returns the message with texts and lists of the length that is told
// of them at most, and a key that can be one.
func (m *Message) bounded() *Message {
	c := *m
	if c.Key = bounded(m.Key, mostKey); c.Key != m.Key {
		sum := sha256.Sum256([]byte(m.Key))
		c.Key += "#" + hex.EncodeToString(sum[:16])
	}
	for _, name := range []*string{&c.Person, &c.SubjectKind, &c.Subject, &c.Team, &c.Limit, &c.Used, &c.Allowed} {
		*name = bounded(*name, mostName)
	}
	for _, sentence := range []*string{&c.Headline, &c.LimitText, &c.HowToAsk} {
		*sentence = bounded(*sentence, mostSentence)
	}
	c.Done, c.Advice = sentences(m.Done), sentences(m.Advice)
	c.Queries = slices.Clone(m.Queries[:min(len(m.Queries), mostQueries)])
	for i := range c.Queries {
		q := &c.Queries[i]
		q.ID, q.Cost, q.Database, q.SQL = bounded(q.ID, mostName), bounded(q.Cost, mostName), bounded(q.Database, mostName), bounded(q.SQL, mostSQL)
	}
	c.Text = cut(m.Text, mostText)
	return &c
}

func sentences(texts []string) (list []string) {
	for i, text := range texts {
		if i == mostLines {
			return append(list, fmt.Sprintf("and %d more", len(texts)-mostLines))
		}
		list = append(list, bounded(text, mostSentence))
	}
	return list
}

// A Result is what became of the notices that a run looked at: of the messages
// that were handed to it, and of those that earlier runs left.
type Result struct {
	Sent    int // messages, each counted for every channel
	Held    int // waiting for quiet hours to end, or for another try
	Busy    int // another process is sending them
	GivenUp int // not to be sent any more

	// Nobody counts the messages that no channel is for.
	Nobody int

	// Problems are what went wrong, a line for each channel and recipient.
	Problems []error
}

func (r *Result) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{
		{r.Sent, "sent"}, {r.Held, "held"}, {r.Busy, "being sent by another process"}, {r.GivenUp, "given up"}, {r.Nobody, "for which there is no channel"},
	} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(parts) == 0 {
		return "nothing to tell"
	}
	return strings.Join(parts, ", ")
}
