package completeness

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/lookup"
)

// A Hole is a time in which a region's trail delivered nothing, though it did
// around it, or until then. It may be a quiet night: a trail delivers where
// there are events. The digest files prove which it is.
type Hole struct {
	Place
	From, To time.Time // whole hours; To is exclusive
	Silent   bool      // nothing came after it, to the end of the window
	Usual    float64   // the share of hours in which the region delivers, in percent
}

const (
	// busy is the share of hours with deliveries from which on every hour
	// without one is a hole. Below it only what is longer than unusual times
	// the longest pause but one is.
	busy    = 0.5
	unusual = 3

	// enough is the fewest hours with deliveries that say what is usual.
	enough = 6

	// silence is how long, at least, a region must be silent at the end.
	silence = 6
)

// holes looks at when log files were delivered, as the ledger has it.
func (c *check) holes(ctx context.Context) error {
	hours := map[Place]map[int64]bool{}
	for f, err := range c.Ledger.All(ctx) {
		if err != nil {
			return err
		}
		// Pages of LookupEvents and files that do not tell are no deliveries.
		if f.Delivered.IsZero() || !f.Shard.Known || strings.HasPrefix(f.Key, lookup.Name+":") || f.Delivered.Before(c.From) || !f.Delivered.Before(c.To) {
			continue
		}
		p := Place{f.Shard.Account, f.Shard.Region}
		if hours[p] == nil {
			hours[p] = map[int64]bool{}
		}
		hours[p][f.Delivered.Unix()/3600] = true
	}
	for _, p := range slices.SortedFunc(maps.Keys(hours), compare) {
		c.Holes = append(c.Holes, holesOf(p, slices.Sorted(maps.Keys(hours[p])), c.To.Unix()/3600)...)
	}
	return nil
}

// holesOf finds the holes among the hours, sorted, with deliveries. The window
// ends before end.
func holesOf(p Place, hours []int64, end int64) (holes []Hole) {
	if len(hours) < enough {
		return nil
	}
	share := float64(len(hours)) / float64(hours[len(hours)-1]-hours[0]+1)
	type pause struct{ from, to int64 }
	var pauses []pause
	for i := 1; i < len(hours); i++ {
		if hours[i] > hours[i-1]+1 {
			pauses = append(pauses, pause{hours[i-1] + 1, hours[i]})
		}
	}
	lengths := []int64{0, 0}
	for _, q := range pauses {
		lengths = append(lengths, q.to-q.from)
	}
	slices.Sort(lengths)
	longest, second := lengths[len(lengths)-1], lengths[len(lengths)-2]
	add := func(from, to int64, silent bool) {
		holes = append(holes, Hole{p, time.Unix(from*3600, 0).UTC(), time.Unix(to*3600, 0).UTC(), silent, 100 * share})
	}
	for _, q := range pauses {
		if share >= busy || q.to-q.from == longest && longest > unusual*max(second, 1) {
			add(q.from, q.to, false)
		}
	}
	if last := hours[len(hours)-1] + 1; end-last >= max(silence, 2*longest) {
		add(last, end, true)
	}
	return holes
}
