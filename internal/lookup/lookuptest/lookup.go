package lookuptest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

const (
	maxResults = 50
	maxValue   = 2000 // characters of an attribute's value
)

// input is what LookupEvents takes. Times are seconds since 1970, with
// fractions.
type input struct {
	LookupAttributes []struct{ AttributeKey, AttributeValue string }
	StartTime        *float64
	EndTime          *float64
	EventCategory    *string
	MaxResults       *int
	NextToken        *string `json:",omitempty"`
}

func (in *input) eventName() string {
	if len(in.LookupAttributes) == 1 && in.LookupAttributes[0].AttributeKey == "EventName" {
		return in.LookupAttributes[0].AttributeValue
	}
	return ""
}

// output is what LookupEvents answers.
type output struct {
	Events    []event
	NextToken string `json:",omitempty"`
}

type event struct {
	EventId         string  `json:",omitempty"`
	EventName       string  `json:",omitempty"`
	ReadOnly        string  `json:",omitempty"`
	AccessKeyId     string  `json:",omitempty"`
	EventTime       float64 // such as 1424476529.0
	EventSource     string  `json:",omitempty"`
	Username        string  `json:",omitempty"`
	Resources       []struct{}
	CloudTrailEvent string
}

// A refusal is an error under the name that AWS gives it.
type refusal struct{ code, message string }

func refused(code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// check refuses the input that CloudTrail refuses.
func (in *input) check() *refusal {
	if len(in.LookupAttributes) > 1 {
		return refused("InvalidLookupAttributesException", "Only one lookup attribute is supported at a time.")
	}
	for _, a := range in.LookupAttributes {
		if !slices.Contains(attributes, a.AttributeKey) || a.AttributeValue == "" || len(a.AttributeValue) > maxValue {
			return refused("InvalidLookupAttributesException", "Lookup attribute %s is not valid.", a.AttributeKey)
		}
	}
	if in.MaxResults != nil && (*in.MaxResults < 1 || *in.MaxResults > maxResults) {
		return refused("InvalidMaxResultsException", "Max results %d is not between 1 and 50.", *in.MaxResults)
	}
	if in.StartTime != nil && in.EndTime != nil && *in.EndTime < *in.StartTime {
		return refused("InvalidTimeRangeException", "End time is before start time.")
	}
	if in.EventCategory != nil && *in.EventCategory != "insight" {
		return refused("InvalidEventCategoryException", "Event category %s is not valid.", *in.EventCategory)
	}
	return nil
}

// A position is how far the pages before came. Pages counts them, because an
// empty one comes no further, and its token is another all the same.
type position struct {
	Second int64
	Number int
	Pages  int
}

type sealed struct {
	Position position
	Seal     []byte // of the position and of the input that it belongs to
}

func (s *Server) seal(c Call, in *input, at position) []byte {
	other := *in
	other.NextToken = nil
	text, err := json.Marshal([]any{c.Account, c.Region, other, at})
	if err != nil {
		return nil // what came as JSON can be written as JSON
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(text)
	return mac.Sum(nil)
}

func (s *Server) token(c Call, in *input, at position) string {
	text, err := json.Marshal(sealed{at, s.seal(c, in, at)})
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(text)
}

func (s *Server) open(c Call, in *input) (position, *refusal) {
	var held sealed
	text, err := base64.StdEncoding.DecodeString(*in.NextToken)
	if err != nil || json.Unmarshal(text, &held) != nil || !hmac.Equal(held.Seal, s.seal(c, in, held.Position)) {
		return position{}, refused("InvalidNextTokenException", "Invalid NextToken.")
	}
	return held.Position, nil
}

func (s *Server) lookup(c Call, in *input) (*output, *refusal) {
	if r := in.check(); r != nil {
		return nil, r
	}
	at := position{Second: math.MaxInt64}
	if in.NextToken != nil {
		var r *refusal
		if at, r = s.open(c, in); r != nil {
			return nil, r
		}
	}
	now := s.config.Now()
	from, to := float64(now.Add(-History).UnixNano())/1e9, math.Inf(1)
	if in.StartTime != nil {
		from = max(from, *in.StartTime)
	}
	if in.EndTime != nil {
		to = *in.EndTime
	}
	size := maxResults
	if in.MaxResults != nil {
		size = *in.MaxResults
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config.PageSize != nil {
		size = max(0, min(size, s.config.PageSize(s.counts.Pages)))
	}
	out := &output{Events: []event{}}
	repeated := true
	if shelf := s.events[place{c.Account, c.Region}]; shelf != nil {
		behind := stored{second: at.Second, number: at.Number}
		start := 0
		if at.Second != math.MaxInt64 {
			start, _ = slices.BinarySearchFunc(shelf.events, behind, s.before)
		}
		for i := range shelf.events[start:] {
			e := &shelf.events[start+i]
			if e.second == at.Second && e.number == at.Number || float64(e.second) < from || float64(e.second) > to ||
				e.Appears.After(now) || e.Time.After(now) || !matches(in, &e.Event) {
				continue
			}
			if len(out.Events) == size { // there is another
				at.Pages++
				out.NextToken = s.token(c, in, at)
				break
			}
			out.Events = append(out.Events, e.shown())
			at.Second, at.Number = e.second, e.number
			key := c.ARN + "\x00" + e.Account + "\x00" + e.Region + "\x00" + e.ID
			repeated = repeated && s.given[key]
			s.given[key] = true
		}
	}
	s.counts.Pages++
	s.counts.Events += len(out.Events)
	if len(out.Events) > 0 && repeated {
		s.counts.Repeated++
	}
	return out, nil
}

func matches(in *input, e *Event) bool {
	for _, a := range in.LookupAttributes {
		if e.value(a.AttributeKey) != a.AttributeValue {
			return false
		}
	}
	return true
}

func (e *stored) shown() event {
	return event{
		EventId: e.ID, EventName: e.Name, ReadOnly: e.ReadOnly, AccessKeyId: e.AccessKeyID, EventTime: float64(e.second),
		EventSource: e.Source, Username: e.Username, Resources: []struct{}{}, CloudTrailEvent: e.Record,
	}
}
