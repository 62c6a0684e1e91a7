// Package chain checks the digest files by which CloudTrail proves that its
// log files are what it delivered. Every hour, in every region, a digest names
// the log files of that hour with their hashes, is signed, and holds hash and
// signature of the digest before it; so nothing can be changed, taken away or
// put in between without its being seen.
//
// The package reads nothing itself: who walks says how files are fetched.
package chain

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// What a finding is about.
const (
	OfDigest  = "digest file"
	OfLogFile = "log file"
	OfTime    = "time"
)

// What was found.
const (
	Valid    = "valid"
	Invalid  = "invalid"  // changed, moved, or not what it says
	Missing  = "missing"  // named by a digest, and not there
	Unlinked = "unlinked" // signed, and not the digest that the next one says was before it
	Unproven = "unproven" // nothing was found wrong, and nothing proves it
	Gap      = "gap"      // no digest covers the time
	Unnamed  = "unnamed"  // a log file that the digests of its hour do not name
)

// Failed reports whether a result says that something was tampered with or
// lost, not merely that it is not proven.
func Failed(result string) bool {
	return result == Invalid || result == Missing || result == Unlinked || result == Unnamed
}

// A Finding is one thing that is not as it should be.
type Finding struct {
	What   string // OfDigest, OfLogFile or OfTime
	Result string
	Place  Place // of time: none
	From   time.Time
	To     time.Time
	Text   string
}

// Options are how to walk.
type Options struct {
	// Keys are the digest files that were found of one chain, all of them
	// backfill digests or none, in the order of their times.
	Bucket string
	Keys   []string

	// From is where the walk ends: the digest that covers it is the last that
	// is looked at.
	From time.Time

	// Fetch returns a digest file. Errors that wrap fs.ErrNotExist say that it
	// is not there, those that wrap ErrDamaged that it cannot be what was
	// delivered; any other ends the walk.
	Fetch func(ctx context.Context, at Place) (File, error)

	// Relist returns the chain's digest files in another bucket, into which a
	// trail delivered earlier. Nil means that there is none to list.
	Relist func(ctx context.Context, bucket string) ([]string, error)

	// PublicKey returns the key of a fingerprint, which signed at about that
	// time; nil without an error where there is none.
	PublicKey func(ctx context.Context, fingerprint string, at time.Time) (*rsa.PublicKey, error)

	// Moved reports whether a digest that says to be at own was found
	// elsewhere. Nil compares the places.
	Moved func(found, own Place) bool

	// Digest is told of every valid one, the newest first; proven is false for
	// one without a signature. Problem is told of all else.
	Digest  func(d *Digest, proven bool) error
	Problem func(Finding)
}

// ErrDamaged is for a file that cannot be what CloudTrail delivered: it does
// not inflate, or goes on after its end.
var ErrDamaged = errors.New("damaged")

// A walk goes from the newest digest to older ones, along their links, and
// where a link cannot be followed on to the next older file that was found.
type walk struct {
	Options
	next *Digest // the one that named the file that is looked at; nil after a break
}

// Walk checks a chain of digests. The log files that they name are the
// caller's, who learns of them by Options.Digest.
//
// It goes the way that the AWS CLI's validate-logs goes, and gives its
// verdicts on every digest. Beyond them it compares hash and signature of the
// digest before with what the newer one says they were.
func Walk(ctx context.Context, o Options) error {
	w := &walk{Options: o}
	w.Keys = slices.Clone(o.Keys)
	if w.Moved == nil {
		w.Moved = func(found, own Place) bool { return found != own }
	}
	key, at := w.pop(time.Time{})
	for key != "" && !o.From.After(at) {
		if err := ctx.Err(); err != nil {
			return err
		}
		place := Place{w.Bucket, key}
		d, finding, err := w.look(ctx, place)
		if err != nil {
			return err
		}
		if d == nil {
			w.next = nil
			w.Problem(*finding)
			key, _ = w.pop(nameTime(key))
			continue
		}
		at = d.Start
		if d.Previous == (Place{}) {
			w.next = nil
			older, end := w.pop(nameTime(key))
			if older != "" && end.Before(at) {
				w.Problem(Finding{What: OfTime, Result: Gap, From: end, To: at, Text: "no digest covers it: logging or log file validation was off, or the trail was made anew"})
			}
			key = older
			continue
		}
		w.next = d
		key = d.Previous.Key
		if d.Previous.Bucket != w.Bucket {
			w.Bucket, w.Keys = d.Previous.Bucket, nil
			if w.Relist != nil {
				if w.Keys, err = w.Relist(ctx, w.Bucket); err != nil {
					return err
				}
				w.Keys = slices.Clone(w.Keys)
			}
		}
	}
	return nil
}

// pop takes the newest file that is older than before off the list; a zero
// time takes the newest.
func (w *walk) pop(before time.Time) (string, time.Time) {
	for len(w.Keys) > 0 {
		key := w.Keys[len(w.Keys)-1]
		w.Keys = w.Keys[:len(w.Keys)-1]
		if t := nameTime(key); before.IsZero() || t.Before(before) {
			return key, t
		}
	}
	return "", time.Time{}
}

// nameTime is the time in the name of a digest file, however it is named
// otherwise.
func nameTime(key string) time.Time {
	n, _ := ParseName(key)
	return n.At
}

// look reads and checks one digest. It returns either the digest or what is
// wrong with it.
func (w *walk) look(ctx context.Context, place Place) (*Digest, *Finding, error) {
	wrong := func(result, text string, args ...any) (*Digest, *Finding, error) {
		return nil, &Finding{What: OfDigest, Result: result, Place: place, Text: fmt.Sprintf(text, args...)}, nil
	}
	file, err := w.Fetch(ctx, place)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return wrong(Missing, "a newer digest names it, and it is not there")
	case errors.Is(err, ErrDamaged):
		return wrong(Invalid, "%v", err)
	case err != nil:
		return nil, nil, err
	}
	d, err := Parse(file.Data)
	if err != nil {
		return wrong(Invalid, "%v", err)
	}
	if w.Moved(place, d.Place) {
		return wrong(Invalid, "it was moved: it says to be %s", d.Place.URL())
	}
	if w.next != nil && !d.End.Before(w.next.End) {
		return wrong(Invalid, "it does not end before the digest that names it as the one before") // and a circle would have no end
	}
	name, ok := ParseName(place.Key)
	if ok && name.Backfill && file.Generated.IsZero() && !file.Bare {
		return wrong(Invalid, "it is a backfill digest without the time that it was made, backfill-generation-timestamp")
	}
	signature, proven := file.Signature, true
	if signature == "" && file.Bare && w.next != nil {
		signature = w.next.PreviousSignature
	}
	switch {
	case signature == "" && file.Bare:
		proven = false
	case signature == "":
		return wrong(Invalid, "it has no signature in its metadata")
	default:
		made := d.End
		if !file.Generated.IsZero() {
			made = file.Generated
		}
		key, err := w.PublicKey(ctx, d.Fingerprint, made)
		switch {
		case err != nil:
			return nil, nil, err
		case key == nil:
			return wrong(Invalid, "no public key of CloudTrail in %s has its fingerprint %s", name.Region, d.Fingerprint)
		}
		if err := d.verify(file.Data, signature, key); err != nil {
			return wrong(Invalid, "%v", err)
		}
	}
	w.link(place, d, file)
	if !proven {
		w.Problem(Finding{What: OfDigest, Result: Unproven, Place: place, From: d.Start, To: d.End, Text: "its signature is not known: it is in the metadata of S3, and no newer digest names it"})
	}
	return d, nil, w.Digest(d, proven)
}

// link compares a digest with what the newer one says of it.
func (w *walk) link(place Place, d *Digest, file File) {
	if w.next == nil {
		return
	}
	unlinked := func(text string, args ...any) {
		w.Problem(Finding{What: OfDigest, Result: Unlinked, Place: place, From: d.Start, To: d.End, Text: fmt.Sprintf(text, args...) + ", says " + w.next.Place.URL()})
	}
	switch sum := hexSum(file.Data); {
	case w.next.PreviousHash != sum:
		unlinked("its hash is %s and was %.64s", sum, w.next.PreviousHash)
	case file.Signature != "" && !strings.EqualFold(file.Signature, w.next.PreviousSignature):
		unlinked("its signature is another than it was")
	}
	if d.End.Before(w.next.Start) {
		w.Problem(Finding{What: OfTime, Result: Gap, From: d.End, To: w.next.Start, Text: "the digests around it are linked and leave it out"})
	}
}
