// Package digest checks a trail against the digest files that CloudTrail
// delivered beside its log files, in a bucket of S3 or in a folder that they
// were copied to: that every log file is what was delivered, that none is gone,
// and that there is none that CloudTrail does not vouch for. What a digest
// proves is checked by internal/digest/chain; here files are found and read,
// and CloudTrail is asked for its public keys.
//
// A folder keeps no metadata, and so no signatures. But each digest holds the
// signature of the one before it, so that all but the newest of a folder can be
// checked; the newest too, if what `aws s3api head-object` prints of it lies
// beside it as FILE.metadata.json.
package digest

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
)

// Options are what to check. Source and Keys are needed.
type Options struct {
	Source string // s3://bucket[/prefix] or a folder
	S3     func(context.Context) (*s3.Client, error)
	Keys   Keys

	// From and To bound the time that is checked, by when log files were
	// delivered. A zero From checks all that there is, a zero To until Now.
	From, To time.Time
	Now      time.Time

	Jobs int // log files read side by side; 0: 16
}

const (
	// lag is how old the time must be of which digests are expected: one an
	// hour, which is delivered some time after.
	lag = 2 * time.Hour

	// overlap is added to the end of the time, for log files that stand in
	// the digest of the next hour, as the AWS CLI does.
	overlap = time.Hour

	// maxFindings bounds the findings that are kept of a chain.
	maxFindings = 1000
)

// ErrNone is for a source without digests.
var ErrNone = errors.New("no digest files")

// A Tally counts results.
type Tally map[string]int64

// Failed counts those that say that something was tampered with or lost.
func (t Tally) Failed() (n int64) {
	for result, count := range t {
		if chain.Failed(result) {
			n += count
		}
	}
	return n
}

// A Report is what was found of one chain: one trail in one region of one
// account. Log files that no digest names are reported of the account and
// region, in a report whose Trail is empty.
type Report struct {
	chain.Chain
	Digests  Tally
	Backfill Tally
	Logs     Tally

	// From and To are the time that was to be proven, Proven how much of it
	// is covered by valid digests.
	From, To time.Time
	Proven   time.Duration

	Findings []chain.Finding
	Further  int // findings that are counted and not kept

	// Unread is how many files could not be read, for another reason than
	// that they are not there; Err is why the check ended before its end.
	Unread int
	Err    error

	spans []span
}

type span struct{ from, to time.Time }

// Coverage is the share of the time that is proven, in percent.
func (r *Report) Coverage() float64 {
	whole := r.To.Sub(r.From)
	if whole <= 0 {
		return 100
	}
	return 100 * float64(r.Proven) / float64(whole)
}

// Failed reports whether something was tampered with or lost.
func (r *Report) Failed() bool {
	return r.Digests.Failed()+r.Backfill.Failed()+r.Logs.Failed() > 0
}

func (r *Report) add(f chain.Finding) {
	if len(r.Findings) == maxFindings {
		r.Further++
		return
	}
	r.Findings = append(r.Findings, f)
}

// Verify checks every chain of the source and returns a report of each, in the
// order of accounts, regions and trails. The error is for a source in which
// nothing could be checked.
func Verify(ctx context.Context, o Options) ([]*Report, error) {
	if o.Jobs <= 0 {
		o.Jobs = 16
	}
	if o.To.IsZero() {
		o.To = o.Now
	}
	t, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	regions, err := discover(ctx, t)
	if err != nil {
		return nil, err
	}
	v := &verifier{Options: o, tree: t, readers: make(chan struct{}, o.Jobs)}
	var g errgroup.Group
	g.SetLimit(8)
	for _, r := range regions {
		g.Go(func() error { v.region(ctx, r); return nil })
	}
	g.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(v.reports) == 0 {
		return nil, fmt.Errorf("source %s: %w from %s to %s", o.Source, ErrNone, shown(o.From, "the beginning"), shown(o.To, "now"))
	}
	slices.SortFunc(v.reports, func(a, b *Report) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region), strings.Compare(a.Trail, b.Trail), strings.Compare(a.Home, b.Home))
	})
	return v.reports, nil
}

func shown(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.UTC().Format(time.RFC3339)
}

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func open(ctx context.Context, o Options) (tree, error) {
	rest, isS3 := strings.CutPrefix(o.Source, "s3://")
	if !isS3 {
		return newDirTree(o.Source)
	}
	name, prefix, _ := strings.Cut(rest, "/")
	if !bucketForm.MatchString(name) {
		return nil, fmt.Errorf("source %q: bucket %q: want s3://bucket[/prefix]", o.Source, name)
	}
	client, err := o.S3(ctx)
	if err != nil {
		return nil, err
	}
	return &s3Tree{client: client, name: name, prefix: prefix}, nil
}

type verifier struct {
	Options
	tree    tree
	readers chan struct{} // a place for each log file that is being read

	mu      sync.Mutex
	reports []*Report
}

func (v *verifier) keep(r *Report) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reports = append(v.reports, r)
}

// region checks the chains of one region's folder, and then whether it has log
// files that none of them names.
func (v *verifier) region(ctx context.Context, r region) {
	until := v.To.Add(overlap)
	files, err := r.digestFiles(ctx, v.tree, v.From, until)
	if err != nil {
		v.keep(&Report{Chain: chain.Chain{Account: r.account, Region: r.name}, Err: err})
		return
	}
	named := &names{seed: maphash.MakeSeed(), sums: map[uint64]struct{}{}}
	var spans []span
	for _, c := range slices.SortedFunc(maps.Keys(files), func(a, b chain.Chain) int {
		return cmp.Or(strings.Compare(a.Trail, b.Trail), strings.Compare(a.Home, b.Home))
	}) {
		report := v.chain(ctx, r, c, files[c], named)
		spans = append(spans, report.spans...)
		v.keep(report)
	}
	if stray := v.stray(ctx, r, union(spans), named); stray != nil {
		v.keep(stray)
	}
}

// chain checks one chain: its digests, then its backfill digests.
func (v *verifier) chain(ctx context.Context, r region, c chain.Chain, keys []string, named *names) *Report {
	report := &Report{Chain: c, Digests: Tally{}, Backfill: Tally{}, Logs: Tally{}}
	for _, backfill := range []bool{false, true} {
		tally := report.Digests
		if backfill {
			tally = report.Backfill
		}
		of := func(keys []string) (some []string) {
			for _, key := range keys {
				if n, ok := chain.ParseName(key); ok && n.Backfill == backfill {
					some = append(some, key)
				}
			}
			return some
		}
		if report.Err = v.walk(ctx, r, c, of(keys), of, tally, report, named); report.Err != nil {
			break
		}
	}
	v.measure(report, keys)
	slices.SortFunc(report.Findings, func(a, b chain.Finding) int {
		return cmp.Or(strings.Compare(a.What, b.What), a.From.Compare(b.From), strings.Compare(a.Place.Key, b.Place.Key), strings.Compare(a.Result, b.Result))
	})
	return report
}

func (v *verifier) walk(ctx context.Context, r region, c chain.Chain, keys []string, of func([]string) []string, tally Tally, report *Report, named *names) error {
	return chain.Walk(ctx, chain.Options{
		Bucket: v.tree.bucket(), Keys: keys, From: v.From,
		Fetch: func(ctx context.Context, at chain.Place) (chain.File, error) {
			at, err := v.tree.locate(r.root, at)
			if err != nil {
				return chain.File{}, err
			}
			return readDigest(ctx, v.tree, at)
		},
		Relist: func(ctx context.Context, bucket string) ([]string, error) {
			t := v.tree
			if s, ok := t.(*s3Tree); ok {
				t = &s3Tree{client: s.client, name: bucket}
			}
			files, err := r.digestFiles(ctx, t, v.From, v.To.Add(overlap))
			return of(files[c]), err
		},
		PublicKey: func(ctx context.Context, fingerprint string, at time.Time) (*rsa.PublicKey, error) {
			return v.Keys.Key(ctx, r.name, fingerprint, at)
		},
		Moved: func(found, own chain.Place) bool {
			if v.tree.bucket() == "" {
				return tail(found.Key) != tail(own.Key)
			}
			return found != own
		},
		Digest: func(d *chain.Digest, proven bool) error {
			if proven {
				tally[chain.Valid]++
				report.spans = append(report.spans, span{d.Start, d.End})
			}
			return v.logs(ctx, r, d, report, named)
		},
		Problem: func(f chain.Finding) {
			if f.What == chain.OfDigest {
				tally[f.Result]++
			}
			report.add(f)
		},
	})
}

// logs checks the log files that a digest names.
func (v *verifier) logs(ctx context.Context, r region, d *chain.Digest, report *Report, named *names) error {
	type outcome struct {
		result, text string
		err          error
	}
	outcomes := make([]outcome, len(d.LogFiles))
	var all sync.WaitGroup
	for i, l := range d.LogFiles {
		named.add(l.Key)
		v.readers <- struct{}{}
		all.Go(func() {
			defer func() { <-v.readers }()
			at, err := v.tree.locate(r.root, l.Place)
			if err != nil {
				outcomes[i] = outcome{result: chain.Invalid, text: err.Error()}
				return
			}
			o := &outcomes[i]
			o.result, o.text, o.err = checkLog(ctx, v.tree, at, l.Hash)
		})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, o := range outcomes {
		report.Logs[o.result]++
		if o.err != nil {
			report.Unread++
		}
		if o.result != chain.Valid {
			report.add(chain.Finding{What: chain.OfLogFile, Result: o.result, Place: d.LogFiles[i].Place, From: d.Start, To: d.End, Text: o.text})
		}
	}
	return nil
}

// measure says how much of the time is proven, and notes where the chain ends
// before it.
func (v *verifier) measure(report *Report, keys []string) {
	report.spans = union(report.spans)
	report.From, report.To = v.From, v.To
	if latest := v.Now.Add(-lag); report.To.After(latest) {
		report.To = latest
	}
	if report.From.IsZero() {
		if n, ok := chain.ParseName(keys[0]); ok {
			report.From = n.At.Add(-time.Hour)
		}
		if len(report.spans) > 0 && report.spans[0].from.Before(report.From) {
			report.From = report.spans[0].from
		}
	}
	end := time.Time{}
	for _, s := range report.spans {
		end = s.to
		if s.from.Before(report.From) {
			s.from = report.From
		}
		if s.to.After(report.To) {
			s.to = report.To
		}
		report.Proven += max(0, s.to.Sub(s.from))
	}
	if n, ok := chain.ParseName(keys[len(keys)-1]); ok && n.At.Before(report.To) {
		report.add(chain.Finding{
			What: chain.OfTime, Result: chain.Gap, From: n.At, To: report.To,
			Text: "no digest covers it: the newest were taken away, or logging or log file validation was turned off",
		})
	}
	if !v.From.IsZero() && len(report.spans) > 0 && report.spans[0].from.After(v.From) && end.After(v.From) && !report.hasGapBefore(report.spans[0].from) {
		report.add(chain.Finding{What: chain.OfTime, Result: chain.Gap, From: v.From, To: report.spans[0].from, Text: "no digest covers it: the chain begins after it"})
	}
}

func (r *Report) hasGapBefore(t time.Time) bool {
	return slices.ContainsFunc(r.Findings, func(f chain.Finding) bool {
		return f.What == chain.OfTime && f.To.Equal(t) || f.What == chain.OfDigest && f.Result != chain.Unlinked
	})
}

// union returns spans in order, those that touch made one.
func union(spans []span) (all []span) {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	for _, s := range spans {
		if n := len(all); n > 0 && !s.from.After(all[n-1].to) {
			if s.to.After(all[n-1].to) {
				all[n-1].to = s.to
			}
			continue
		}
		all = append(all, s)
	}
	return all
}
