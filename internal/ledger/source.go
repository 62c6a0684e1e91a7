package ledger

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

const (
	sourceDir = root + "source/"

	// settling is how long after a log file's delivery others that belong
	// before it may still arrive (CloudTrail User Guide, "CloudTrail typically
	// delivers logs within an average of about 5 minutes of an API call").
	settling = 15 * time.Minute
)

// A Source is how far a source has been read.
type Source struct {
	Name string `json:"source"` // as the user named it

	// CompleteTo is the time up to which what the source holds is in the
	// lake, as far as can be known: NewestDelivered less 15 minutes, held
	// back to OldestUnread. It is zero if nothing is known. It is computed by
	// [Ledger.SetSource].
	CompleteTo time.Time `json:"complete_to,omitzero"`

	// NewestDelivered is the latest delivery time of a log file that was read;
	// for a source without delivery times the latest event time, or the end
	// of the time that was asked for.
	NewestDelivered time.Time `json:"newest_delivered,omitzero"`

	// Unread is how many log files the last run listed and did not read, and
	// OldestUnread the earliest of their delivery times.
	Unread       int64     `json:"unread"`
	OldestUnread time.Time `json:"oldest_unread,omitzero"`

	// Finite says that nothing will come of it any more: standard input, or
	// one file. It holds nothing back once it has been read.
	Finite bool `json:"finite,omitempty"`

	UpdatedBy string `json:"updated_by"` // the run's id
}

// settle computes CompleteTo, and cuts times to what is stored.
func (s *Source) settle() {
	for _, t := range []*time.Time{&s.NewestDelivered, &s.OldestUnread} {
		if !t.IsZero() {
			*t = t.UTC().Truncate(time.Millisecond)
		}
	}
	if s.Unread == 0 {
		s.OldestUnread = time.Time{}
	}
	s.CompleteTo = time.Time{}
	if !s.NewestDelivered.IsZero() {
		s.CompleteTo = s.NewestDelivered.Add(-settling)
	}
	s.CompleteTo = earlier(s.CompleteTo, s.OldestUnread)
}

func sourceKey(name string) string {
	sum := sha256.Sum256([]byte(name))
	return sourceDir + hex.EncodeToString(sum[:8]) + ".json"
}

// SetSource records how far a run has read a source. What is unread is as this
// run saw it; the newest delivery is the latest that any run has read, so that
// runs over different periods, one after the other or at once, do not take
// from each other.
func (l *Ledger) SetSource(ctx context.Context, s Source) error {
	err := l.store.Update(ctx, sourceKey(s.Name), func(old []byte) ([]byte, error) {
		merged := s
		if old != nil {
			var before Source
			// A damaged file is no loss: the newest delivery comes with the
			// next log file.
			if json.Unmarshal(old, &before) == nil && before.NewestDelivered.After(merged.NewestDelivered) {
				merged.NewestDelivered = before.NewestDelivered
			}
		}
		merged.settle()
		data, err := json.MarshalIndent(merged, "", "  ")
		return append(data, '\n'), err
	})
	if err != nil {
		return fmt.Errorf("record source %q: %w", s.Name, err)
	}
	return nil
}

// Sources returns all sources that were ever read, ordered by name.
func (l *Ledger) Sources(ctx context.Context) ([]Source, error) {
	var sources []Source
	for file, err := range l.store.List(ctx, sourceDir) {
		if err != nil {
			return nil, fmt.Errorf("list sources: %w", err)
		}
		if !strings.HasSuffix(file.Key, ".json") {
			continue
		}
		data, err := l.store.Read(ctx, file.Key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read sources: %w", err)
		}
		var s Source
		if err := json.Unmarshal(data, &s); err != nil {
			return nil, fmt.Errorf("read %s: %w", file.Key, err)
		}
		sources = append(sources, s)
	}
	slices.SortFunc(sources, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	return sources, nil
}

// CompleteTo returns the time up to which the lake holds what all of its
// sources hold: the smallest of theirs, where finite ones count only if there
// are no others. It reports false if that is not known of any.
func (l *Ledger) CompleteTo(ctx context.Context) (time.Time, bool, error) {
	sources, err := l.Sources(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	var smallest, finite time.Time
	for _, s := range sources {
		switch {
		case !s.Finite || s.Unread > 0:
			smallest = earlier(smallest, s.CompleteTo)
		case s.CompleteTo.After(finite):
			finite = s.CompleteTo
		}
	}
	if smallest.IsZero() {
		smallest = finite
	}
	return smallest, !smallest.IsZero(), nil
}

// earlier returns the earlier of two times, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	switch {
	case a.IsZero():
		return b
	case b.IsZero() || !b.Before(a):
		return a
	}
	return b
}
