package digest

import (
	"context"
	"hash/maphash"
	"path"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
	"github.com/athenatrail/athenatrail/internal/source"
)

// names holds a hash of every log file's name that digests of a region named,
// as the names themselves of a long time are too many to hold.
type names struct {
	seed maphash.Seed
	sums map[uint64]struct{}
}

func (n *names) add(key string) { n.sums[maphash.String(n.seed, tail(key))] = struct{}{} }

func (n *names) has(key string) bool {
	_, ok := n.sums[maphash.String(n.seed, tail(key))]
	return ok
}

// margin is how near the edge of the proven time a log file may lie and be
// named by a digest beyond it.
const margin = time.Hour

// stray looks for log files that were delivered while digests cover the time,
// and that none of them names. It returns nil where there are none.
func (v *verifier) stray(ctx context.Context, r region, proven []span, named *names) *Report {
	if len(proven) == 0 {
		return nil
	}
	report := &Report{Chain: chain.Chain{Account: r.account, Region: r.name}, Logs: Tally{}}
	from, to := proven[0].from, proven[len(proven)-1].to
	if from.Before(v.From) {
		from = v.From
	}
	if to.After(v.To) {
		to = v.To
	}
	after := r.logs + from.UTC().Format(dayForm)
	last := r.logs + to.UTC().Format(dayForm) + "/\xff"
	for key, err := range v.tree.files(ctx, r.logs, after, last) {
		if err != nil {
			report.Err = err
			break
		}
		name, ok := source.ParseKey(key)
		if !ok || !logEnding(key) || named.has(key) || name.Delivered.Before(from) || !name.Delivered.Before(to) || !within(name.Delivered, proven) {
			continue
		}
		report.Logs[chain.Unnamed]++
		report.add(chain.Finding{
			What: chain.OfLogFile, Result: chain.Unnamed, Place: chain.Place{Bucket: v.tree.bucket(), Key: key}, From: name.Delivered,
			Text: "the digests of its hour do not name it: CloudTrail did not deliver it so, or another trail without log file validation did",
		})
	}
	if len(report.Logs) == 0 && report.Err == nil {
		return nil
	}
	return report
}

// logEnding reports whether a name is one that collect reads.
func logEnding(key string) bool {
	if strings.HasSuffix(key, sidecar) {
		return false
	}
	switch path.Ext(key) {
	case ".gz", ".json", ".jsonl", ".ndjson":
		return true
	}
	return false
}

func within(t time.Time, proven []span) bool {
	for _, s := range proven {
		if !t.Before(s.from.Add(margin)) && t.Before(s.to.Add(-margin)) {
			return true
		}
	}
	return false
}
