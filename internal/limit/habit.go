package limit

import "slices"

// HabitDays is how far back it is looked what a query usually uses.
const HabitDays = 30

// Habits are what queries of the same fingerprint used before.
type Habits struct {
	bytes map[string][]int64
	cost  map[habitKey][]int64
}

type habitKey struct{ fingerprint, currency string }

// NewHabits returns habits of the fingerprints that are asked for, which
// [Meter.Fingerprints] names. Others are passed over.
func NewHabits(fingerprints []string) *Habits {
	h := &Habits{map[string][]int64{}, map[habitKey][]int64{}}
	for _, f := range fingerprints {
		h.bytes[f] = nil
	}
	return h
}

// Add takes a query that ended.
func (h *Habits) Add(e *Execution) {
	known, wanted := h.bytes[e.QueryFingerprint]
	if !wanted || e.State != "SUCCEEDED" || e.DataScannedBytes == nil {
		return
	}
	h.bytes[e.QueryFingerprint] = append(known, *e.DataScannedBytes)
	if e.Cost != nil && isPriced(e.CostBasis) {
		key := habitKey{e.QueryFingerprint, e.Currency}
		h.cost[key] = append(h.cost[key], int64(*e.Cost))
	}
}

// of returns what 95 of 100 queries of the fingerprint used at most, or false.
func (h *Habits) of(fingerprint string, a Amount) (int64, bool) {
	if h == nil || fingerprint == "" {
		return 0, false
	}
	values := h.bytes[fingerprint]
	if a.Measure == Cost {
		values = h.cost[habitKey{fingerprint, a.Unit}]
	}
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := (len(sorted)*95 + 99) / 100
	return max(sorted[rank-1], 0), true
}

// A running is an execution that may still run, with the limits for which its
// use is to be guessed.
type running struct {
	execution Execution
	for_      []*metered
}

// untold tells whether an execution's use is to be guessed: it has not ended as
// far as is known, and Athena has told no bytes of it yet. A cost it has only
// when it has ended.
func (e *Execution) untold(m Measure) bool {
	switch {
	case !isUnfinished(e.Gap) || e.Own || !m.estimates():
		return false
	case m == Cost:
		return e.Cost == nil
	}
	return e.DataScannedBytes == nil || *e.DataScannedBytes <= 0
}
