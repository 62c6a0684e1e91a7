package source

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// A prefix is a part of a bucket to list.
type prefix struct {
	key    string // ends in a slash, or is empty
	region bool   // .../CloudTrail/REGION/, whose folders are the days of delivery
}

const (
	// searchDepth is how many folders below the given prefix AWSLogs is looked
	// for: a trail's own prefix, and the ones that Control Tower puts around.
	searchDepth = 4

	// searchCalls bounds that search in a bucket that holds much else.
	searchCalls = 200
)

// discover returns the prefixes to list: the regions' folders under every
// AWSLogs, or the whole given prefix when there is none. The errors are of the
// folders that could not be looked into.
func (b *bucket) discover(ctx context.Context, client *s3.Client, w window) (regions []prefix, errs []error) {
	start := b.prefix
	if start != "" && !strings.HasSuffix(start, "/") {
		start += "/"
	}
	at := layoutOf(strings.Split(start, "/"))
	roots := []string{start}
	if at.root < 0 {
		var err error
		if roots, err = b.searchRoots(ctx, client, start); err != nil {
			return nil, []error{err}
		}
		if len(roots) == 0 {
			return []prefix{{key: start}}, nil
		}
	}
	for _, root := range roots {
		found, failed := b.descend(ctx, client, root, w)
		regions = append(regions, found...)
		errs = append(errs, failed...)
	}
	return regions, errs
}

// leafForm is for folders in which no AWSLogs can be: regions, years, accounts.
var leafForm = regexp.MustCompile(`^([0-9]+|[a-z]{2}(-[a-z]+)+-[0-9]{1,2})$`)

// searchRoots looks for AWSLogs/ below start, the nearest folders first.
func (b *bucket) searchRoots(ctx context.Context, client *s3.Client, start string) (roots []string, err error) {
	level := []string{start}
	for depth, calls := 0, 0; depth < searchDepth && len(level) > 0; depth++ {
		var next []string
		for _, p := range level {
			if calls++; calls > searchCalls {
				return roots, nil
			}
			folders, err := b.folders(ctx, client, p)
			if err != nil {
				return nil, err
			}
			for _, f := range folders {
				switch name := path.Base(f); {
				case name == "AWSLogs":
					roots = append(roots, f)
				case !leafForm.MatchString(name):
					next = append(next, f)
				}
			}
		}
		level = next
	}
	slices.Sort(roots)
	return roots, nil
}

// descend goes from root, which lies in or is an AWSLogs folder, down to the
// regions' folders. Of what lies beside CloudTrail/ it lists nothing.
func (b *bucket) descend(ctx context.Context, client *s3.Client, root string, w window) (regions []prefix, errs []error) {
	at := layoutOf(strings.Split(root, "/"))
	switch {
	case !w.mayHold(at.account, at.region):
		return nil, nil
	case at.region != "":
		below := root[strings.LastIndex(root, "/CloudTrail/")+len("/CloudTrail/"):]
		return []prefix{{key: root, region: strings.Count(below, "/") == 1}}, nil
	case at.service != "" && at.service != "CloudTrail":
		return []prefix{{key: root}}, nil
	case at.service == "" && at.account != "":
		return b.descend(ctx, client, root+"CloudTrail/", w)
	}
	folders, err := b.folders(ctx, client, root)
	if err != nil {
		return nil, []error{err}
	}
	if at.service == "CloudTrail" {
		for _, f := range folders {
			if w.mayHold(at.account, path.Base(f)) {
				regions = append(regions, prefix{key: f, region: true})
			}
		}
		return regions, nil
	}
	found := make([][]prefix, len(folders))
	failed := make([][]error, len(folders))
	var g errgroup.Group
	g.SetLimit(b.deps.Jobs)
	for i, f := range folders {
		name := path.Base(f)
		if accountForm.MatchString(name) || orgForm.MatchString(name) && at.organization == "" {
			g.Go(func() error {
				found[i], failed[i] = b.descend(ctx, client, f, w)
				return nil
			})
		}
	}
	g.Wait()
	return slices.Concat(found...), slices.Concat(failed...)
}

// folders lists the folders right below p.
func (b *bucket) folders(ctx context.Context, client *s3.Client, p string) (folders []string, err error) {
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{
		Bucket: &b.bucket, Prefix: aws.String(p), Delimiter: aws.String("/"),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, quiet)
		if err != nil {
			return nil, b.listError(p, err)
		}
		for _, c := range page.CommonPrefixes {
			folders = append(folders, aws.ToString(c.Prefix))
		}
	}
	return folders, nil
}
