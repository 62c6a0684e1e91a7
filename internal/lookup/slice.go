package lookup

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
)

// maxResults is the most events that a call may ask for.
const maxResults = 50

// A slice is a span of time that is asked for page by page, from its end to
// its beginning. The span is what is left: each page takes its end down.
type slice struct {
	event string
	span

	// The call that the token belongs to. CloudTrail takes a token with the
	// input that it was given out for, so these stay though the span shrinks.
	asked  span
	token  string
	oldest int64 // event of the pages so far; asked.to before the first
	number int   // of pages that did not take the end down

	// shuffled is set when the answers are not in their order. Then nothing
	// is in place before the last page.
	shuffled bool

	// each is how many seconds a page is expected to take down; 0: not known.
	each float64

	busy      bool
	notBefore time.Time // of the next call, after a failure
	failures  int       // calls in a row that failed
	lost      int       // tokens in a row that were not taken
}

// input returns the next call's.
func (s *slice) input() *cloudtrail.LookupEventsInput {
	if s.token == "" {
		s.asked, s.oldest, s.number, s.shuffled = s.span, s.to, 0, false
	}
	in := &cloudtrail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: &s.event}},
		StartTime:        aws.Time(at(s.asked.from)),
		EndTime:          aws.Time(at(s.asked.to - 1)), // AWS includes it
		MaxResults:       aws.Int32(maxResults),
	}
	if s.token != "" {
		in.NextToken = &s.token
	}
	return in
}

// errRepeats is for a token that leads to itself.
var errRepeats = errors.New("CloudTrail gives the same NextToken again")

// answer takes a page of the slice up and returns what is in place with it:
// an empty span where more events of the same second may follow. It reports
// whether the page was the last.
func (s *slice) answer(out *cloudtrail.LookupEventsOutput) (placed span, last bool, err error) {
	next := aws.ToString(out.NextToken)
	if next != "" && next == s.token {
		return span{}, false, fmt.Errorf("page of %s until %s: %w", s.event, stamp(s.to), errRepeats)
	}
	s.token = next
	for _, e := range out.Events {
		if e.EventTime == nil {
			continue // not newer than the one before
		}
		t := e.EventTime.Unix()
		s.shuffled = s.shuffled || t > s.oldest
		s.oldest = min(s.oldest, t)
	}
	to := s.to
	switch {
	case next == "":
		s.to = s.from
	case !s.shuffled:
		s.to = max(s.from, min(s.to, s.oldest+1))
	}
	placed = span{s.to, to}
	if placed.empty() {
		s.number++
		return placed, next == "", nil
	}
	s.number, s.lost = 0, 0
	if took := float64(placed.seconds()); s.each == 0 {
		s.each = took
	} else {
		s.each = (s.each + took) / 2
	}
	return placed, next == "", nil
}

// forget gives up a token that CloudTrail no longer takes.
func (s *slice) forget() {
	s.token = ""
	s.lost++
}

// left returns how many more pages to expect; 0 when nothing is known of it.
func (s *slice) left() float64 {
	if s.each == 0 {
		return 0
	}
	left := float64(s.seconds()) / s.each
	if s.busy {
		left-- // under way
	}
	return left
}

// worthwhile is how many pages a slice must have left to be split: it costs up
// to a page, which the older part has too.
const worthwhile = 3

// split gives the older half of what is not under way away. It returns nil if
// that is not worth a call.
func (s *slice) split() *slice {
	if s.shuffled || s.left() <= worthwhile {
		return nil
	}
	to := float64(s.to)
	if s.busy {
		to -= s.each
	}
	middle := s.from + int64((to-float64(s.from))/2)
	older := &slice{event: s.event, span: span{s.from, middle}, each: s.each}
	if older.empty() || middle >= s.to {
		return nil
	}
	s.from = middle
	return older
}
