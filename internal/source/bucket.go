package source

import (
	"context"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// NewClient returns an S3 client for cfg. A server of one's own, named by
// AWS_ENDPOINT_URL or AWS_ENDPOINT_URL_S3, is addressed by path: it has no
// host name for each bucket.
func NewClient(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		quiet(o)
	})
}

// quiet keeps the SDK from writing a line to stderr for every object that was
// stored without a checksum, as CloudTrail's are.
func quiet(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

// A bucket is the log files under a prefix of an S3 bucket.
type bucket struct {
	name   string // as the user wrote it
	bucket string
	prefix string // empty, or as the user wrote it
	deps   Deps

	once   sync.Once
	client *s3.Client
	err    error
}

var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func parseBucket(spec, rest string, d Deps) (Source, error) {
	name, prefix, _ := strings.Cut(rest, "/")
	if !bucketForm.MatchString(name) {
		return nil, fmt.Errorf("source %q: bucket %q: want s3://bucket[/prefix]", spec, name)
	}
	if d.S3 == nil {
		return nil, fmt.Errorf("source %q: no S3 client", spec)
	}
	return &bucket{name: spec, bucket: name, prefix: prefix, deps: d}, nil
}

func (b *bucket) Name() string { return b.name }

func (b *bucket) s3(ctx context.Context) (*s3.Client, error) {
	b.once.Do(func() { b.client, b.err = b.deps.S3(ctx) })
	return b.client, b.err
}

// url is the full name of a key.
func (b *bucket) url(key string) string { return "s3://" + b.bucket + "/" + key }

// List finds the folders of accounts and regions, and lists of each the days
// of delivery between from and to, several folders side by side. Without the
// delivery layout under the prefix, it lists everything.
func (b *bucket) List(ctx context.Context, bounds Bounds) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		w := newWindow(bounds, b.deps.Lookback)
		client, err := b.s3(ctx)
		if err != nil {
			yield(Object{}, b.listError("", err))
			return
		}
		one, ok, err := b.exact(ctx, client)
		if err != nil {
			yield(Object{}, b.listError(b.prefix, err))
			return
		}
		if ok {
			yield(one, nil)
			return
		}
		folders, errs := b.discover(ctx, client, w)
		for _, err := range errs {
			if !yield(Object{}, err) {
				return
			}
		}
		// A region's folder is there because something is in it, though maybe
		// outside the window.
		found := len(errs) > 0 || w.Account != "" || w.Region != "" || slices.ContainsFunc(folders, func(p prefix) bool { return p.region })
		for o, err := range b.sideBySide(ctx, client, folders, w) {
			if err == nil && o.Key == "" {
				found = true // there are log files, outside the window
				continue
			}
			found = true
			if !yield(o, err) {
				return
			}
		}
		if !found {
			yield(Object{}, fmt.Errorf("source %s: %w: nothing under it ends in %s", b.name, ErrNoLogs, logEndings))
		}
	}
}

func (b *bucket) listError(prefix string, err error) error {
	return fmt.Errorf("list %s: %w", b.url(prefix), awsconn.Explained(err))
}

// exact looks whether the prefix is the key of one object. S3 lists in the
// order of keys, so that it would come first.
func (b *bucket) exact(ctx context.Context, client *s3.Client) (Object, bool, error) {
	if b.prefix == "" || strings.HasSuffix(b.prefix, "/") {
		return Object{}, false, nil
	}
	out, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: &b.bucket, Prefix: &b.prefix, MaxKeys: aws.Int32(1),
	}, quiet)
	if err != nil {
		return Object{}, false, err
	}
	if len(out.Contents) == 0 || aws.ToString(out.Contents[0].Key) != b.prefix {
		return Object{}, false, nil
	}
	c := out.Contents[0]
	return NewObject(b.url(b.prefix), aws.ToInt64(c.Size), aws.ToString(c.ETag)), true, nil
}

// sideBySide lists folders, several at once, and yields what they hold in the
// folders' order. An Object without a key says that a folder holds log files
// outside the window.
func (b *bucket) sideBySide(ctx context.Context, client *s3.Client, folders []prefix, w window) iter.Seq2[Object, error] {
	type page struct {
		objects []Object
		err     error
	}
	return func(yield func(Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pages := make([]chan page, len(folders))
		for i := range pages {
			pages[i] = make(chan page, 2)
		}
		// Folders begin in their order, so that the one that is yielded now is
		// always among those being listed.
		slots := make(chan struct{}, b.deps.Jobs)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		wg.Go(func() {
			for i, f := range folders {
				select {
				case slots <- struct{}{}:
				case <-ctx.Done():
					for _, rest := range pages[i:] {
						close(rest)
					}
					return
				}
				wg.Go(func() {
					defer func() { <-slots }()
					defer close(pages[i])
					b.pages(ctx, client, f, w, func(objects []Object, err error) bool {
						select {
						case pages[i] <- page{objects, err}:
							return true
						case <-ctx.Done():
							return false
						}
					})
				})
			}
		})
		for _, folder := range pages {
			for p := range folder {
				for _, o := range p.objects {
					if !yield(o, nil) {
						return
					}
				}
				if p.err != nil && !yield(Object{}, p.err) {
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Object{}, b.listError(b.prefix, err))
		}
	}
}

// pages lists one folder page by page. Of a region's folder only the days of
// the window are asked for: the days' folders sort by time.
func (b *bucket) pages(ctx context.Context, client *s3.Client, f prefix, w window, send func([]Object, error) bool) {
	in := &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: aws.String(f.key)}
	if f.region && !w.noFrom {
		in.StartAfter = aws.String(f.key + w.from.Time().Format("2006/01/02"))
		if at := layoutOf(strings.Split(f.key, "/")); w.Exact {
			in.StartAfter = aws.String(f.key + w.From.UTC().Format("2006/01/02/") + at.account + "_CloudTrail_" + at.region + w.From.UTC().Format("_20060102T1504"))
		}
	}
	last := ""
	if f.region && !w.noTo {
		last = f.key + w.to.Time().Format("2006/01/02") + "/\xff"
		if at := layoutOf(strings.Split(f.key, "/")); w.Exact {
			to := w.To.UTC().Add(-1)
			last = f.key + to.Format("2006/01/02/") + at.account + "_CloudTrail_" + at.region + to.Format("_20060102T1504Z\xff")
		}
	}
	for {
		out, err := client.ListObjectsV2(ctx, in, quiet)
		if err != nil {
			send(nil, b.listError(f.key, err))
			return
		}
		var objects []Object
		outside, past := false, false
		for _, c := range out.Contents {
			key := aws.ToString(c.Key)
			past = last != "" && key > last
			if !isLog(key) {
				continue
			}
			o := NewObject(b.url(key), aws.ToInt64(c.Size), aws.ToString(c.ETag))
			if past || !w.holds(o) {
				outside = true
				continue
			}
			objects = append(objects, o)
		}
		if outside && len(objects) == 0 {
			objects = []Object{{}}
		}
		if !send(objects, nil) || past || !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextContinuationToken) == "" {
			return
		}
		in.StartAfter, in.ContinuationToken = nil, out.NextContinuationToken
	}
}

func (b *bucket) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	key, ok := strings.CutPrefix(o.Key, b.url(""))
	if !ok {
		return nil, fmt.Errorf("read %s: not in %s", o.Key, b.name)
	}
	client, err := b.s3(ctx)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, awsconn.Explained(err))
	}
	r := &resuming{ctx: ctx, client: client, bucket: b.bucket, key: key, object: o}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}
