package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
)

// Again returns the source of log files that are known by their full names, as
// the ledger has them, to be read once more. A name of what cannot be opened
// again, such as standard input or a page of an API, yields an error, as does
// a log file that is not there any more. It has no name: how far it was read
// says nothing.
func Again(names []string, d Deps) Source { return &again{names: names, deps: d} }

type again struct {
	names []string
	deps  Deps
}

func (a *again) Name() string { return "" }

func (a *again) List(ctx context.Context, _ Bounds) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, name := range a.names {
			o, err := a.find(ctx, name)
			if err != nil {
				err = fmt.Errorf("read %s again: %w", name, err)
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

var errOnce = errors.New("it came from where nothing can be read twice")

// find returns the object of a name as it is now.
func (a *again) find(ctx context.Context, name string) (Object, error) {
	if !strings.HasPrefix(name, "s3://") && !filepath.IsAbs(filepath.FromSlash(name)) {
		return Object{}, errOnce
	}
	src, err := Parse(ctx, name, a.deps)
	if err != nil {
		return Object{}, err
	}
	for o, err := range src.List(ctx, Bounds{}) {
		if err != nil {
			return Object{}, err
		}
		if o.Key == name {
			return o, nil
		}
	}
	return Object{}, errors.New("it is not there any more")
}

func (a *again) Open(ctx context.Context, o Object) (io.ReadCloser, error) {
	src, err := Parse(ctx, o.Key, a.deps)
	if err != nil {
		return nil, err
	}
	return src.Open(ctx, o)
}
