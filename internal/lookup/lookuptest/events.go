package lookuptest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// An Event is one management event of an account and region.
type Event struct {
	Account string
	Region  string

	ID          string
	Time        time.Time // whole seconds
	Name        string
	Source      string
	Username    string
	AccessKeyID string
	ReadOnly    string // "true" or "false", as LookupEvents spells it

	// Record is CloudTrailEvent, the record as the trail has it.
	Record string

	// Appears is when it can first be looked up; zero: at once.
	Appears time.Time
}

// ParseEvent returns the event of a record as log files hold it.
func ParseEvent(record []byte) (Event, error) {
	var r struct {
		EventID, EventName, EventSource, AwsRegion string
		EventTime                                  time.Time
		ReadOnly                                   *bool
		RecipientAccountID                         string `json:"recipientAccountId"`
		UserIdentity                               struct {
			AccountID, AccessKeyID, UserName, PrincipalID string
		}
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return Event{}, fmt.Errorf("parse a record: %w", err)
	}
	e := Event{
		Account: r.RecipientAccountID, Region: r.AwsRegion, ID: r.EventID, Time: r.EventTime, Name: r.EventName, Source: r.EventSource,
		Username: r.UserIdentity.UserName, AccessKeyID: r.UserIdentity.AccessKeyID, Record: string(record),
	}
	if e.Account == "" {
		e.Account = r.UserIdentity.AccountID
	}
	if r.ReadOnly != nil {
		e.ReadOnly = fmt.Sprint(*r.ReadOnly)
	}
	if e.Time.IsZero() || e.Account == "" || e.Region == "" {
		return Event{}, fmt.Errorf("parse a record: event %q has no time, account or region", e.ID)
	}
	return e, nil
}

// A shelf holds an account's and region's events, the newest first; of one
// second, the last that came first.
type shelf struct {
	events []stored
	came   int
}

type stored struct {
	Event
	second int64
	number int // in the order of coming; with the second, the place in the order
}

// before orders a shelf.
func (s *Server) before(a, b stored) int {
	if s.config.OldestFirst {
		a, b = b, a
	}
	if a.second != b.second {
		return int(b.second - a.second)
	}
	return b.number - a.number
}

// Add takes events up. They can be looked up from now on, or when they appear.
func (s *Server) Add(events ...Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	touched := map[*shelf]bool{}
	for _, e := range events {
		at := place{e.Account, e.Region}
		if s.events[at] == nil {
			s.events[at] = &shelf{}
		}
		shelf := s.events[at]
		shelf.came++
		shelf.events = append(shelf.events, stored{e, e.Time.Unix(), shelf.came})
		touched[shelf] = true
	}
	for shelf := range touched {
		slices.SortFunc(shelf.events, s.before)
	}
}

// value returns what an event has for a lookup attribute.
func (e *Event) value(attribute string) string {
	switch attribute {
	case "EventId":
		return e.ID
	case "EventName":
		return e.Name
	case "ReadOnly":
		return e.ReadOnly
	case "Username":
		return e.Username
	case "EventSource":
		return e.Source
	case "AccessKeyId":
		return e.AccessKeyID
	}
	return "" // ResourceType and ResourceName: Athena's events have none
}

// attributes are the keys that LookupEvents takes (API reference).
var attributes = []string{"EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId"}
