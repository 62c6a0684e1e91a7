// Package powertest records what stores do to a disk, and makes the states
// that a loss of power at any moment may leave of it. A file system promises
// of a file what was synced, and of a folder the names that were in it when it
// was synced; of the rest it may keep anything, everything or nothing.
//
// It also makes disks fail.
package powertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/athenatrail/athenatrail/internal/lake"
)

// A Model is what becomes of that which was not synced.
type Model int

const (
	// Lost keeps nothing of it: names are as they were, files as they were.
	Lost Model = iota

	// Empty keeps the names, and not what the files under them hold, as file
	// systems do that write their journal before their data.
	Empty

	// Torn keeps some names and not others, and of files all, half, zeros or
	// something else.
	Torn

	// Kept keeps all, as the kill of a process does.
	Kept
)

// Models are all of them.
var Models = []Model{Lost, Empty, Torn, Kept}

func (m Model) String() string { return [...]string{"lost", "empty", "torn", "kept"}[m] }

type kind int

const (
	create kind = iota
	write
	sync_
	mkdir
	rename
	remove
	syncDir
	began // what a store was asked to do
	ended // and has said is done
)

var kinds = [...]string{"create", "write", "sync", "mkdir", "rename", "remove", "sync of folder", "began", "ended"}

// An op is one change, or the begin or end of one that a store was asked for.
type op struct {
	kind kind
	path string // within the disk
	to   string
	data []byte

	gone bool // ended, with the file removed
	same bool // ended, with nothing changed
}

// A Disk is a folder whose changes are recorded, in the order in which they
// took place. It is a [lake.Files].
type Disk struct {
	dir string

	mu  sync.Mutex
	ops []op

	// Full, if set, tells whether there is no room for the n-th of what takes
	// room: new files, new folders, and writes, of which a half still fits.
	Full func(n int) bool
	n    int
}

// NewDisk returns a disk in an empty folder, which is taken to be on disk.
func NewDisk(dir string) *Disk { return &Disk{dir: dir} }

// Dir is where a folder of the disk lies.
func (d *Disk) Dir(folder string) string { return filepath.Join(d.dir, folder) }

// Len is how many changes were made.
func (d *Disk) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ops)
}

// Op says which change is the n-th.
func (d *Disk) Op(n int) string {
	return strings.TrimSpace(kinds[d.ops[n].kind] + " " + d.ops[n].path + " " + d.ops[n].to)
}

// do makes a change and records it if it was made.
func (d *Disk) do(o op, change func(data []byte) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o.kind == create || o.kind == mkdir || o.kind == write {
		n := d.n
		d.n++
		if d.Full != nil && d.Full(n) {
			if o.kind == write {
				o.data = o.data[:len(o.data)/2]
				change(o.data)
			}
			return &fs.PathError{Op: kinds[o.kind], Path: o.path, Err: syscall.ENOSPC}
		}
	}
	if err := change(o.data); err != nil {
		return err
	}
	o.path = d.rel(o.path)
	if o.to != "" {
		o.to = d.rel(o.to)
	}
	d.ops = append(d.ops, o)
	return nil
}

func (d *Disk) rel(path string) string {
	rel, err := filepath.Rel(d.dir, path)
	if err != nil {
		panic(err)
	}
	return filepath.ToSlash(rel)
}

// Create implements [lake.Files].
func (d *Disk) Create(path string, mode fs.FileMode) (f lake.NewFile, err error) {
	err = d.do(op{kind: create, path: path}, func([]byte) (err error) {
		f, err = lake.OSFiles{}.Create(path, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &file{d, path, f}, nil
}

// Mkdir implements [lake.Files].
func (d *Disk) Mkdir(path string) error {
	return d.do(op{kind: mkdir, path: path}, func([]byte) error { return os.Mkdir(path, 0o777) })
}

// Rename implements [lake.Files].
func (d *Disk) Rename(from, to string) error {
	return d.do(op{kind: rename, path: from, to: to}, func([]byte) error { return os.Rename(from, to) })
}

// Remove implements [lake.Files].
func (d *Disk) Remove(path string) error {
	return d.do(op{kind: remove, path: path}, func([]byte) error { return os.Remove(path) })
}

// SyncDir implements [lake.Files]. It syncs nothing: what a loss of power
// leaves is computed.
func (d *Disk) SyncDir(path string) error {
	return d.do(op{kind: syncDir, path: path}, func([]byte) error { _, err := os.Stat(path); return err })
}

type file struct {
	disk *Disk
	path string
	f    lake.NewFile
}

func (f *file) Write(data []byte) (n int, err error) {
	err = f.disk.do(op{kind: write, path: f.path, data: bytes.Clone(data)}, func(data []byte) (err error) {
		n, err = f.f.Write(data)
		return err
	})
	return n, err
}

func (f *file) Sync() error {
	return f.disk.do(op{kind: sync_, path: f.path}, func([]byte) error { return nil })
}
func (f *file) Close() error { return f.f.Close() }

// Unsynced are files for work whose fate nobody asks about: syncing does
// nothing, so it is fast.
type Unsynced struct{ lake.OSFiles }

// Create implements [lake.Files].
func (u Unsynced) Create(path string, mode fs.FileMode) (lake.NewFile, error) {
	f, err := u.OSFiles.Create(path, mode)
	if err != nil {
		return nil, err
	}
	return unsynced{f}, nil
}

// SyncDir implements [lake.Files].
func (Unsynced) SyncDir(string) error { return nil }

type unsynced struct{ lake.NewFile }

func (unsynced) Sync() error { return nil }

// Store opens the store in a folder of the disk. What it is asked to change is
// recorded too, so that [Disk.Broken] knows what it promised.
func (d *Disk) Store(folder string) (lake.Store, error) {
	s, err := lake.OpenStoreOn(filepath.Join(d.dir, folder), d)
	if err != nil {
		return nil, err
	}
	return &store{s, d, folder}, nil
}

type store struct {
	lake.Store
	disk   *Disk
	folder string
}

func (s *store) note(o op) {
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	s.disk.ops = append(s.disk.ops, o)
}

// promised notes the begin of a change, does it, and notes its end if it was
// made.
func (s *store) promised(key string, change func(done *op) error) error {
	path := s.folder + "/" + key
	s.note(op{kind: began, path: path})
	done := op{kind: ended, path: path}
	err := change(&done)
	if err == nil {
		s.note(done)
	}
	return err
}

func (s *store) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	return s.promised(key, func(done *op) error {
		return s.Store.Update(ctx, key, func(old []byte) ([]byte, error) {
			made, err := change(old)
			done.data, done.gone, done.same = made, errors.Is(err, lake.ErrRemove), err == nil && made == nil
			return made, err
		})
	})
}

func (s *store) Put(ctx context.Context, key string, data []byte) error {
	return s.promised(key, func(done *op) error {
		done.data = data
		return s.Store.Put(ctx, key, data)
	})
}

func (s *store) Delete(ctx context.Context, key string) error {
	return s.promised(key, func(done *op) error {
		done.gone = true
		return s.Store.Delete(ctx, key)
	})
}

// A node is a file or folder as the disk would have it.
type node struct {
	folder bool
	names  map[string]*node // as processes see them
	synced map[string]*node // as they are on disk for certain
	since  []renamed        // changes of names since, in order

	data, kept []byte // as processes see it, as it is on disk for certain
}

// A renamed is one change of a folder's names: they get these nodes, or go.
type renamed map[string]*node

func newFolder() *node {
	return &node{folder: true, names: map[string]*node{}, synced: map[string]*node{}}
}

func (n *node) change(r renamed) {
	r.apply(n.names)
	n.since = append(n.since, r)
}

func (r renamed) apply(names map[string]*node) {
	for name, is := range r {
		if is == nil {
			delete(names, name)
		} else {
			names[name] = is
		}
	}
}

func (n *node) at(path string) *node {
	for part := range strings.SplitSeq(path, "/") {
		if part != "." {
			n = n.names[part]
		}
		if n == nil {
			panic("powertest: nothing at " + path)
		}
	}
	return n
}

// after returns the disk after so many changes.
func (d *Disk) after(n int) *node {
	root := newFolder()
	parent := func(path string) (*node, string) {
		dir, name := filepath.Split(path)
		return root.at(strings.TrimSuffix("./"+dir, "/")), name
	}
	for _, o := range d.ops[:n] {
		switch o.kind {
		case create, mkdir:
			made := &node{}
			if o.kind == mkdir {
				made = newFolder()
			}
			in, name := parent(o.path)
			in.change(renamed{name: made})
		case write:
			f := root.at(o.path)
			f.data = append(f.data[:len(f.data):len(f.data)], o.data...)
		case sync_:
			f := root.at(o.path)
			f.kept = f.data
		case rename:
			in, from := parent(o.path)
			to := filepath.Base(o.to)
			in.change(renamed{from: nil, to: in.names[from]}) // stores rename within a folder
		case remove:
			in, name := parent(o.path)
			in.change(renamed{name: nil})
		case syncDir:
			in := root.at(o.path)
			in.synced, in.since = maps.Clone(in.names), nil
		}
	}
	return root
}

// Lose makes in dir what a loss of power after so many changes leaves.
func (d *Disk) Lose(n int, m Model, random *rand.Rand, dir string) error {
	return d.after(n).leave(m, random, dir)
}

func (n *node) leave(m Model, random *rand.Rand, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	names := n.names
	switch m {
	case Lost:
		names = n.synced
	case Torn:
		names = maps.Clone(n.synced)
		for _, r := range n.since {
			if random.IntN(2) == 0 {
				r.apply(names)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		is, path := names[name], filepath.Join(dir, name)
		if is.folder {
			if err := is.leave(m, random, path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, is.content(m, random), 0o666); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) content(m Model, random *rand.Rand) []byte {
	switch {
	case m == Kept:
		return n.data
	case m != Torn || len(n.kept) == len(n.data):
		return n.kept
	}
	torn := make([]byte, len(n.data))
	switch random.IntN(4) {
	case 0:
		return n.data
	case 1:
		return n.data[:len(n.kept)+(len(n.data)-len(n.kept))/2]
	case 2: // zeros
	case 3:
		for i := range torn {
			torn[i] = byte(random.Uint32())
		}
	}
	copy(torn, n.kept)
	return torn
}

// Broken returns the promises that a loss of power after so many changes
// breaks: files that stores said were written and that are not as they were,
// or that they said were removed and that are back.
func (d *Disk) Broken(n int) (broken []string) {
	promised := map[string]op{}
	under := map[string]int{}
	for _, o := range d.ops[:n] {
		switch o.kind {
		case began:
			// Until it has ended, both what was and what will be are right.
			under[o.path]++
			delete(promised, o.path)
		case ended:
			if under[o.path]--; under[o.path] == 0 && !o.same {
				promised[o.path] = o
			}
		}
	}
	root := d.after(n)
	for _, path := range slices.Sorted(maps.Keys(promised)) {
		in := root
		for part := range strings.SplitSeq(path, "/") {
			if in != nil {
				in = in.synced[part]
			}
		}
		switch want := promised[path]; {
		case in == nil && !want.gone:
			broken = append(broken, path+": lost")
		case in != nil && want.gone:
			broken = append(broken, path+": back")
		case in != nil && !bytes.Equal(in.kept, want.data):
			broken = append(broken, fmt.Sprintf("%s: %d bytes of %d on disk", path, len(in.kept), len(want.data)))
		}
	}
	return broken
}
