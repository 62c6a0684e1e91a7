package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/digest"
	proof "github.com/athenatrail/athenatrail/internal/digest/chain"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/setup"
)

func (a *app) verifyDigests(ctx context.Context, e *setup.Env, o verifyOptions) error {
	var sources []string
	for _, s := range e.Sources {
		switch {
		case s == lookup.Name, s == "-", strings.HasPrefix(s, "sqs:"):
			if a.flags.Changed("source") {
				return usage("--source %s: digest files lie beside log files: want s3://bucket[/prefix] or a folder", s)
			}
		default:
			sources = append(sources, s)
		}
	}
	if len(sources) == 0 {
		return &exitError{exitUsage, hint(errors.New("verify --digests: no source"), "name one with --source s3://TRAIL-BUCKET or --source FOLDER")}
	}
	keys, err := e.TrailKeys(o.keys)
	if err != nil {
		return err
	}
	now := time.Now()
	from, to, err := verifyWindow(e, o, now, time.Time{}, now)
	if err != nil {
		return err
	}
	var reports []*digest.Report
	for _, s := range sources {
		found, err := digest.Verify(ctx, digest.Options{Source: s, S3: e.S3, Keys: keys, From: from, To: to, Now: now})
		if errors.Is(err, digest.ErrNone) {
			return hint(err, "CloudTrail delivers them where log file validation is on: aws cloudtrail update-trail --name TRAIL --enable-log-file-validation")
		}
		if err != nil {
			return awsconn.Explained(err)
		}
		reports = append(reports, found...)
	}
	proven, whole, failed, unread := a.sayDigests(reports)
	if err := a.write(digestsOf(reports, from, to, e.Timezone)); err != nil {
		return err
	}
	covered := 100.0
	if whole > 0 {
		covered = 100 * float64(proven) / float64(whole)
	}
	switch {
	case failed > 0:
		return &exitError{exitUnverified, fmt.Errorf("%s is not what CloudTrail delivered", count(failed, "file"))}
	case o.least >= 0 && covered < o.least:
		return &exitError{exitUnverified, fmt.Errorf("%s of the time is proven, and %s are required", percent(covered), percent(o.least))}
	case unread:
		return &exitError{exitIncomplete, errors.New("done, but not everything could be read")}
	}
	return nil
}

// sayDigests says in sentences what was found.
func (a *app) sayDigests(reports []*digest.Report) (proven, whole time.Duration, failed int64, unread bool) {
	var digests, logs, unproven, gaps int64
	for _, r := range reports {
		digests += r.Digests[proof.Valid] + r.Backfill[proof.Valid]
		logs += r.Logs[proof.Valid]
		unproven += r.Digests[proof.Unproven] + r.Backfill[proof.Unproven]
		failed += r.Digests.Failed() + r.Backfill.Failed() + r.Logs.Failed()
		unread = unread || r.Unread > 0 || r.Err != nil
		for _, f := range r.Findings {
			if f.Result == proof.Gap {
				gaps++
			}
		}
		if r.Trail != "" {
			proven, whole = proven+r.Proven, whole+r.To.Sub(r.From)
		}
		if r.Err != nil {
			a.say("warning", fmt.Errorf("%s %s %s: the check ended before its end: %w", r.Account, r.Region, r.Trail, r.Err))
		}
	}
	verdict := "nothing was tampered with, as far as they reach"
	if failed > 0 {
		verdict = count(failed, "file is", "files are") + " not what CloudTrail delivered"
	}
	a.note("%s and %s are proven by CloudTrail's signatures: %s", count(digests, "digest file"), count(logs, "log file"), verdict)
	if gaps > 0 {
		a.note("of the time that was looked at, %s are not covered by any digest", count(gaps, "part"))
	}
	if unproven > 0 {
		a.note("%s could not be checked for want of its signature: see docs/verify.md", count(unproven, "digest file"))
	}
	return proven, whole, failed, unread
}

// digestsOf has of each chain a row for what is valid, and one for each finding.
func digestsOf(reports []*digest.Report, from, to time.Time, zone *time.Location) *format.Result {
	result := &format.Result{View: "verify digests", To: to, TimeZone: zone, Columns: []format.Column{
		{Name: "account_id", Title: "account", Kind: format.Text}, {Name: "region_name", Title: "region", Kind: format.Text}, {Name: "trail", Kind: format.Text},
		{Name: "what", Kind: format.Text}, {Name: "result", Kind: format.Text}, {Name: "count", Kind: format.Count},
		{Name: "from", Kind: format.Minute}, {Name: "to", Kind: format.Minute}, {Name: "object", Kind: format.Text}, {Name: "detail", Kind: format.Text},
	}}
	if !from.IsZero() {
		result.From = from
	}
	var rows [][]any
	for _, r := range reports {
		row := func(what, result string, n int64, from, to time.Time, object, detail string) {
			rows = append(rows, []any{r.Account, r.Region, orNone(r.Trail), what, result, n, orNil(from), orNil(to), orNone(object), orNone(detail)})
		}
		for _, v := range []struct {
			what  string
			tally digest.Tally
		}{{proof.OfDigest, r.Digests}, {"backfill " + proof.OfDigest, r.Backfill}, {proof.OfLogFile, r.Logs}} {
			if n := v.tally[proof.Valid]; n > 0 {
				row(v.what, proof.Valid, n, r.From, r.To, "", "")
			}
		}
		for _, f := range r.Findings {
			object := ""
			if f.Place.Key != "" {
				object = f.Place.Key
				if f.Place.Bucket != "" {
					object = f.Place.URL()
				}
			}
			row(f.What, f.Result, 1, f.From, f.To, object, f.Text)
		}
		if r.Further > 0 {
			row("", "and more", int64(r.Further), time.Time{}, time.Time{}, "", "")
		}
		if r.Trail != "" {
			row(proof.OfTime, "proven", 1, r.From, r.To, "", percent(r.Coverage())+" of it")
		}
	}
	result.Rows = format.RowsOf(rows)
	return result
}
