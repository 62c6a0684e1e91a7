package digest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/digest/chain"
)

// s3Tree is a bucket, from a prefix on.
type s3Tree struct {
	client *s3.Client
	name   string
	prefix string
}

func quiet(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

func (t *s3Tree) bucket() string { return t.name }

func (t *s3Tree) start() string {
	if t.prefix == "" || strings.HasSuffix(t.prefix, "/") {
		return t.prefix
	}
	return t.prefix + "/"
}

func (t *s3Tree) url(key string) string { return "s3://" + t.name + "/" + key }

func (t *s3Tree) folders(ctx context.Context, prefix string) (folders []string, err error) {
	pages := s3.NewListObjectsV2Paginator(t.client, &s3.ListObjectsV2Input{Bucket: &t.name, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, quiet)
		if err != nil {
			return nil, listing(t.url(prefix), awsconn.Explained(err))
		}
		for _, c := range page.CommonPrefixes {
			folders = append(folders, aws.ToString(c.Prefix))
		}
	}
	return folders, nil
}

func (t *s3Tree) files(ctx context.Context, prefix, after, last string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &t.name, Prefix: &prefix}
		if after != "" {
			in.StartAfter = &after
		}
		pages := s3.NewListObjectsV2Paginator(t.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx, quiet)
			if err != nil {
				yield("", listing(t.url(prefix), awsconn.Explained(err)))
				return
			}
			for _, c := range page.Contents {
				key := aws.ToString(c.Key)
				if last != "" && key > last || !yield(key, nil) {
					return
				}
			}
		}
	}
}

func (t *s3Tree) locate(_ string, at chain.Place) (chain.Place, error) { return at, nil }

func (t *s3Tree) open(ctx context.Context, at chain.Place) (io.ReadCloser, map[string]string, error) {
	out, err := t.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key}, quiet)
	var noKey *types.NoSuchKey
	switch {
	case errors.As(err, &noKey):
		return nil, nil, fmt.Errorf("read %s: %w", at.URL(), fs.ErrNotExist)
	case err != nil:
		return nil, nil, fmt.Errorf("read %s: %w", at.URL(), awsconn.Explained(err))
	}
	metadata := map[string]string{}
	for name, value := range out.Metadata {
		metadata[strings.ToLower(name)] = value
	}
	return out.Body, metadata, nil
}
