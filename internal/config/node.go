package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A node is one value of the configuration and the place that it came from. A
// scalar is kept as it was written: a price of 5.10 stays 5.10, an account id
// keeps its leading zeros.
type node struct {
	kind   kind
	text   string // of a scalar
	items  []node // of a list
	fields []field
	place  place
}

type kind int

const (
	kindNull kind = iota
	kindScalar
	kindList
	kindMapping
)

type field struct {
	key   string
	place place
	value node
}

// A place is where a value stands: a line of a file, an environment variable,
// or a flag.
type place struct {
	name         string
	line, column int // from 1; zero outside a file
}

// String is the form for errors, athenatrail.yaml:14:9.
func (p place) String() string {
	if p.line == 0 {
		return p.name
	}
	return fmt.Sprintf("%s:%d:%d", p.name, p.line, p.column)
}

// origin is the form for the config command, athenatrail.yaml:14.
func (p place) origin() string {
	if p.line == 0 {
		return p.name
	}
	return fmt.Sprintf("%s:%d", p.name, p.line)
}

// An Error is a setting that cannot be used. Where is the file with line and
// column, the environment variable, or the flag.
type Error struct {
	Where string
	Msg   string
}

func (e *Error) Error() string { return e.Where + ": " + e.Msg }

func (p place) errorf(format string, args ...any) error {
	return &Error{Where: p.String(), Msg: fmt.Sprintf(format, args...)}
}

// wrong says that the scalar n is not what key takes.
func (n node) wrong(key, want string) error {
	return n.place.errorf("%s %q: want %s", key, clip(n.text), want)
}

// clip bounds what an error repeats of a value.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// maxDepth is far more than the schema has, and keeps a hostile document from
// exhausting the stack.
const maxDepth = 20

// parseYAML reads one YAML document. Its errors carry line and column, and no
// text of the document, which may hold an external id.
func parseYAML(name string, data []byte) (node, error) {
	at := place{name: name}
	file, err := parseBytes(data)
	if err != nil {
		var detailed interface {
			error
			GetMessage() string
			GetToken() *token.Token
		}
		if !errors.As(err, &detailed) {
			return node{}, at.errorf("not YAML that can be read")
		}
		if tk := detailed.GetToken(); tk != nil && tk.Position != nil {
			at.line, at.column = tk.Position.Line, tk.Position.Column
		}
		return node{}, at.errorf("not YAML: %s", clip(detailed.GetMessage()))
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc == nil || doc.Body == nil {
			continue
		}
		if _, ok := doc.Body.(*ast.CommentGroupNode); ok {
			continue
		}
		if body != nil {
			return node{}, placeOf(name, doc.Body).errorf("a second document: want one")
		}
		body = doc.Body
	}
	if body == nil {
		return node{place: at}, nil
	}
	return convert(name, body, 0)
}

// parseBytes turns a panic of the YAML parser, which is given text from
// anywhere, into an error.
func parseBytes(data []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", r)
		}
	}()
	return parser.ParseBytes(data, 0)
}

func placeOf(name string, n ast.Node) place {
	p := place{name: name}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		p.line, p.column = tk.Position.Line, tk.Position.Column
	}
	return p
}

func convert(name string, n ast.Node, depth int) (node, error) {
	at := placeOf(name, n)
	if depth > maxDepth {
		return node{}, at.errorf("nested deeper than %d levels", maxDepth)
	}
	out := node{place: at}
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = kindNull
	case *ast.StringNode:
		out.kind, out.text = kindScalar, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = kindScalar, strings.TrimRight(n.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = kindScalar, n.GetToken().Value
	case *ast.SequenceNode:
		out.kind = kindList
		for _, v := range n.Values {
			item, err := convert(name, v, depth+1)
			if err != nil {
				return node{}, err
			}
			out.items = append(out.items, item)
		}
	case *ast.MappingNode:
		return convertMapping(name, at, n.Values, depth)
	case *ast.MappingValueNode:
		return convertMapping(name, at, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		return node{}, at.errorf("anchors, aliases and tags are not read here: write the value itself")
	default:
		return node{}, at.errorf("want a value, a list or keys with values")
	}
	return out, nil
}

func convertMapping(name string, at place, values []*ast.MappingValueNode, depth int) (node, error) {
	out := node{kind: kindMapping, place: at}
	for i, mv := range values {
		keyAt := placeOf(name, mv.Key)
		if i == 0 {
			out.place = keyAt
		}
		if mv.Key.IsMergeKey() {
			return node{}, keyAt.errorf("merge keys are not read here: write the values themselves")
		}
		key := node{}
		switch k := mv.Key.(type) {
		case *ast.StringNode:
			key.text = k.Value
		default:
			return node{}, keyAt.errorf("want a plain key")
		}
		value, err := convert(name, mv.Value, depth+1)
		if err != nil {
			return node{}, err
		}
		if value.place.line == 0 {
			value.place = keyAt
		}
		out.fields = append(out.fields, field{key.text, keyAt, value})
	}
	return out, nil
}
