// Package standing keeps what stands in a lake because of limits: which limits
// are paused, what was begun, done or could not be done, and what is to be put
// back. It is one file of the lake, changed by conditional writes, so that all
// processes see the same, and one of them acts at a time.
//
// What was done is told by facts, lake.LimitActions; the file only holds what
// whoever acts next must know.
package standing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// Version is that of the file's form.
const Version = 1

// A State is what stands.
type State struct {
	Version int      `json:"version"`
	Lease   *Lease   `json:"lease,omitempty"`
	Pauses  []*Pause `json:"pauses,omitempty"`

	// Acts are by their ids. One that is done stays until its window is over,
	// so that nobody does it again.
	Acts map[string]*Act `json:"acts,omitempty"`

	// Episodes are, of limits whose window moves, since when a threshold is
	// reached: the window that an act is of.
	Episodes map[string]Episode `json:"episodes,omitempty"`
}

// An Episode is a time during which a threshold of a subject is reached.
type Episode struct {
	Limit string    `json:"limit"`
	Since time.Time `json:"since"`
}

// A Lease is held by the run that acts.
type Lease struct {
	RunID string    `json:"run_id"`
	Until time.Time `json:"until"`
}

// LeaseLength is how long a run may be silent before another acts.
const LeaseLength = 2 * time.Minute

// Holds tells whether a lease keeps others from acting at now. One that ends
// later than any that could have been taken now was written by a clock that
// was ahead, and holds nobody.
func (l *Lease) Holds(now time.Time) bool {
	return l != nil && now.Before(l.Until) && l.Until.Sub(now) <= LeaseLength+time.Minute
}

// A Pause keeps limits from acting.
type Pause struct {
	Limit  string    `json:"limit,omitempty"` // empty: all
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: until it is resumed
	Reason string    `json:"reason,omitempty"`
}

// Holds tells whether a pause holds at now.
func (p *Pause) Holds(now time.Time) bool { return p.Until.IsZero() || now.Before(p.Until) }

// String says a pause in words.
func (p *Pause) String() string {
	text := "since " + p.Since.UTC().Format(time.RFC3339)
	if !p.Until.IsZero() {
		text += " until " + p.Until.UTC().Format(time.RFC3339)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}

// Paused returns the pause that holds for a limit at now, or nil.
func (s *State) Paused(limit string, now time.Time) *Pause {
	for _, p := range s.Pauses {
		if (p.Limit == "" || p.Limit == limit) && p.Holds(now) {
			return p
		}
	}
	return nil
}

// An Act is one thing that a limit asked for, and how far it came.
type Act struct {
	Limit          string    `json:"limit"`
	Mode           string    `json:"mode"`
	SubjectKind    string    `json:"subject_kind"`
	Subject        string    `json:"subject,omitempty"`
	SubjectAccount string    `json:"subject_account,omitempty"` // of a work group
	SubjectRegion  string    `json:"subject_region,omitempty"`
	Person         string    `json:"person,omitempty"`
	WindowStart    time.Time `json:"window_start"`
	WindowEnd      time.Time `json:"window_end,omitzero"`
	Threshold      string    `json:"threshold"`

	Action  string `json:"action"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	Target  string `json:"target,omitempty"` // an ARN or id

	Attempts int       `json:"attempts"`
	At       time.Time `json:"at"` // of the last attempt
	Outcome  string    `json:"outcome"`
	Message  string    `json:"message,omitempty"`

	// Of a block.
	Principal *Principal `json:"principal,omitempty"`
	Until     time.Time  `json:"until,omitzero"` // when it ends by itself
	Sid       string     `json:"sid,omitempty"`  // of the statement

	// Before and After are a work group's settings, before it was changed and
	// as it was left.
	Before *WorkGroup `json:"before,omitempty"`
	After  *WorkGroup `json:"after,omitempty"`

	// Lifted is when a block was taken away, or a work group was put back; a
	// lift that failed has attempts of its own.
	Lifted       time.Time `json:"lifted,omitzero"`
	LiftAttempts int       `json:"lift_attempts,omitempty"`
	LiftAt       time.Time `json:"lift_at,omitzero"`
	LiftOutcome  string    `json:"lift_outcome,omitempty"`
	LiftMessage  string    `json:"lift_message,omitempty"`

	// ByHand says that somebody lifted it: it is not done again in its window.
	ByHand bool `json:"by_hand,omitempty"`
}

// A Principal is a role or user of IAM, or one session of a role.
type Principal struct {
	Partition string `json:"partition"` // of ARNs: aws
	Account   string `json:"account"`
	Kind      string `json:"kind"` // role or user
	Name      string `json:"name"`
	Path      string `json:"path,omitempty"`    // /teams/; empty where it is not known
	Session   string `json:"session,omitempty"` // of a role; empty: the role as a whole

	// SourceIdentity narrows a session whose name others may have.
	SourceIdentity string `json:"source_identity,omitempty"`
}

// ARN returns the ARN of the role or user.
func (p *Principal) ARN() string {
	path := p.Path
	if path == "" {
		path = "/"
	}
	return "arn:" + p.Partition + ":iam::" + p.Account + ":" + p.Kind + path + p.Name
}

// String names the principal, with its session.
func (p *Principal) String() string {
	if p.Session != "" {
		return p.ARN() + " session " + p.Session
	}
	return p.ARN()
}

// A WorkGroup is what limits change of one.
type WorkGroup struct {
	State  string `json:"state,omitempty"`  // ENABLED or DISABLED
	Cutoff int64  `json:"cutoff,omitempty"` // BytesScannedCutoffPerQuery; 0: none
}

// Stands tells whether something is in place that has to be taken back one day:
// a block, or a work group's changed settings.
func (a *Act) Stands() bool {
	switch a.Action {
	case athenatrail.ActBlock, athenatrail.ActWorkGroupState, athenatrail.ActWorkGroupCutoff:
		return a.Outcome == athenatrail.OutcomeDone && a.Lifted.IsZero()
	}
	return false
}

// Load returns what stands in a lake; of one in which nothing ever did, nothing.
func Load(ctx context.Context, l *lake.Lake) (*State, error) {
	data, err := l.Read(ctx, lake.LimitStateKey)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Version: Version, Acts: map[string]*Act{}, Episodes: map[string]Episode{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what stands because of limits: %w", err)
	}
	return parse(data)
}

func parse(data []byte) (*State, error) {
	s := &State{}
	if data != nil {
		if err := json.Unmarshal(data, s); err != nil {
			return nil, fmt.Errorf("read what stands because of limits, %s: %w", lake.LimitStateKey, err)
		}
		if s.Version > Version {
			return nil, fmt.Errorf("read what stands because of limits, %s: %w: version %d, this athenatrail knows %d", lake.LimitStateKey, lake.ErrNewer, s.Version, Version)
		}
	}
	for id, a := range s.Acts {
		if a == nil {
			return nil, fmt.Errorf("read what stands because of limits, %s: act %.80q holds nothing", lake.LimitStateKey, id)
		}
	}
	if slices.Contains(s.Pauses, nil) {
		return nil, fmt.Errorf("read what stands because of limits, %s: a pause holds nothing", lake.LimitStateKey)
	}
	s.Version = Version
	if s.Acts == nil {
		s.Acts = map[string]*Act{}
	}
	if s.Episodes == nil {
		s.Episodes = map[string]Episode{}
	}
	return s, nil
}

// Update changes what stands, by one conditional write, and returns it as it is
// then. Change may be called several times, each time with what stands at that
// moment; where it changes nothing, nothing is written. An error of change ends
// the update and is returned as it is.
func Update(ctx context.Context, l *lake.Lake, change func(*State) error) (*State, error) {
	var now *State
	err := l.Update(ctx, lake.LimitStateKey, func(old []byte) ([]byte, error) {
		s, err := parse(old)
		if err != nil {
			return nil, err
		}
		if err := change(s); err != nil {
			return nil, err
		}
		now = s
		data, err := json.MarshalIndent(s, "", " ") // with sorted keys
		if err != nil {
			return nil, err
		}
		if data = append(data, '\n'); bytes.Equal(data, old) || old == nil && s.empty() {
			return nil, nil
		}
		return data, nil
	})
	if err != nil {
		return nil, fmt.Errorf("note what stands because of limits: %w", err)
	}
	return now, nil
}

func (s *State) empty() bool {
	return s.Lease == nil && len(s.Pauses) == 0 && len(s.Acts) == 0 && len(s.Episodes) == 0
}
