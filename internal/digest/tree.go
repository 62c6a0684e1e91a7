package digest

import (
	"context"
	"fmt"
	"io"
	"iter"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/digest/chain"
)

// A tree is where a trail's files lie: a bucket, or a folder that they were
// copied to. Keys of a folder are absolute paths with slashes.
type tree interface {
	bucket() string // empty of a folder
	start() string  // where to look; empty or ends in a slash

	// folders returns the folders right below a prefix, each ending in a
	// slash, in order.
	folders(ctx context.Context, prefix string) ([]string, error)

	// files yields the keys below a prefix that come after a key and not after
	// the last one, in order. Empty bounds do not bound.
	files(ctx context.Context, prefix, after, last string) iter.Seq2[string, error]

	// locate returns where an object lies that a digest below root names.
	locate(root string, at chain.Place) (chain.Place, error)

	// open returns an object's stored bytes and its metadata, nil where none
	// is kept. The error wraps fs.ErrNotExist where it is not there.
	open(ctx context.Context, at chain.Place) (io.ReadCloser, map[string]string, error)
}

const (
	digestFolder = "CloudTrail-Digest"
	logFolder    = "CloudTrail"

	// searchDepth and searchCalls bound the search for AWSLogs below what the
	// user named.
	searchDepth = 4
	searchCalls = 200
)

var (
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	orgForm     = regexp.MustCompile(`^o-[a-z0-9]{4,34}$`)
	regionForm  = regexp.MustCompile(`^[a-z]{2}[a-z0-9-]{1,30}$`)
)

// below returns what of a key lies below its last AWSLogs, and what is above.
func below(key string) (root, rest string, ok bool) {
	const name = "AWSLogs/"
	i := strings.LastIndex("/"+key, "/"+name)
	if i < 0 {
		return "", "", false
	}
	return key[:i], key[i+len(name):], true
}

// tail is the part of a key that stays the same wherever a trail is copied to.
func tail(key string) string {
	if _, rest, ok := below(key); ok {
		return rest
	}
	return path.Base(key)
}

// A region is one folder of digests: ROOTAWSLogs/[o-ORG/]ACCOUNT/CloudTrail-Digest/REGION/.
type region struct {
	root    string // above AWSLogs
	digests string // prefix, ends in a slash
	logs    string // prefix of the log files of the same account and region
	account string
	name    string
}

// discover finds the folders of digests.
func discover(ctx context.Context, t tree) ([]region, error) {
	start := t.start()
	if _, _, ok := below(start); ok {
		return descend(ctx, t, start)
	}
	var found []region
	level := []string{start}
	for depth, calls := 0, 0; depth < searchDepth && len(level) > 0; depth++ {
		var next []string
		for _, p := range level {
			if calls++; calls > searchCalls {
				return found, nil
			}
			folders, err := t.folders(ctx, p)
			if err != nil {
				return nil, err
			}
			for _, f := range folders {
				if path.Base(f) != "AWSLogs" {
					next = append(next, f)
					continue
				}
				regions, err := descend(ctx, t, f)
				if err != nil {
					return nil, err
				}
				found = append(found, regions...)
			}
		}
		level = next
	}
	return found, nil
}

// descend goes from a prefix in or at AWSLogs/ down to the regions.
func descend(ctx context.Context, t tree, at string) ([]region, error) {
	root, rest, _ := below(at)
	names := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	if rest == "" {
		names = nil
	}
	if len(names) > 0 && orgForm.MatchString(names[0]) {
		names = names[1:]
	}
	switch {
	case len(names) >= 3 && names[1] == digestFolder:
		up := strings.Count(strings.TrimSuffix(rest, "/"), "/") - len(names) + 3 // segments down to the region
		parts := strings.Split(rest, "/")[:up+1]
		prefix := root + "AWSLogs/" + strings.Join(parts, "/") + "/"
		return []region{{
			root: root, digests: prefix, account: names[0], name: names[2],
			logs: strings.Replace(prefix, "/"+digestFolder+"/", "/"+logFolder+"/", 1),
		}}, nil
	case len(names) == 1:
		return descendAll(ctx, t, at+digestFolder+"/", regionForm)
	case len(names) == 2 && names[1] == digestFolder:
		return descendAll(ctx, t, at, regionForm)
	case len(names) >= 2:
		return nil, nil // beside the digests
	}
	accounts, err := descendAll(ctx, t, at, accountForm)
	if err != nil || len(strings.Split(rest, "/")) > 1 {
		return accounts, err
	}
	members, err := descendAll(ctx, t, at, orgForm)
	return append(accounts, members...), err
}

func descendAll(ctx context.Context, t tree, at string, form *regexp.Regexp) (found []region, err error) {
	folders, err := t.folders(ctx, at)
	if err != nil {
		return nil, err
	}
	for _, f := range folders {
		if !form.MatchString(path.Base(f)) {
			continue
		}
		regions, err := descend(ctx, t, f)
		if err != nil {
			return nil, err
		}
		found = append(found, regions...)
	}
	return found, nil
}

// dayForm is how folders tell the day of delivery.
const dayForm = "2006/01/02"

// digestFiles returns the digest files of a region's folder whose names tell a
// time from from to to, by chain, in the order of their times.
func (r region) digestFiles(ctx context.Context, t tree, from, to time.Time) (map[chain.Chain][]string, error) {
	after, last := "", ""
	if !from.IsZero() {
		after = r.digests + from.UTC().Format(dayForm)
	}
	if !to.IsZero() {
		last = r.digests + to.UTC().Format(dayForm) + "/\xff"
	}
	type named struct {
		key string
		at  time.Time
	}
	found := map[chain.Chain][]named{}
	for key, err := range t.files(ctx, r.digests, after, last) {
		if err != nil {
			return nil, err
		}
		n, ok := chain.ParseName(key)
		if !ok || !from.IsZero() && n.At.Before(from) || !to.IsZero() && n.At.After(to) {
			continue
		}
		found[n.Chain] = append(found[n.Chain], named{key, n.At})
	}
	files := map[chain.Chain][]string{}
	for c, names := range found {
		slices.SortStableFunc(names, func(a, b named) int { return a.at.Compare(b.at) })
		for _, n := range names {
			files[c] = append(files[c], n.key)
		}
	}
	return files, nil
}

func listing(what string, err error) error { return fmt.Errorf("list %s: %w", what, err) }
