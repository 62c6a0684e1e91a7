package athenatrail_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The fences that ARCHITECTURE.md speaks of: who may import what. They are
// read from `go list`, so a test that fails names the package and the import.

const module = "github.com/athenatrail/athenatrail"

// A listed package is what `go list -deps -json` tells of it.
type listed struct {
	ImportPath string
	Name       string
	Doc        string
	Dir        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
	Module     *struct{ Main bool }
}

func (p *listed) ours() bool { return p.Module != nil && p.Module.Main }

// short is the import path without the module's.
func (p *listed) short() string { return short(p.ImportPath) }

func short(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

// lookAtSources looks at every file that the program is built from, so that
// the go command does not take a test's earlier result for today's: it knows
// what a test opened, and not what the programs that it ran opened.
func lookAtSources() error {
	return filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (name[0] == '.' || name == "bin" || name == "bench-data" || name == "athenatrail-demo"):
			return fs.SkipDir
		case slices.Contains([]string{".go", ".sql", ".mod"}, filepath.Ext(name)):
			_, err = os.Stat(path)
		}
		return err
	})
}

var packages = sync.OnceValues(func() (map[string]*listed, error) {
	if err := lookAtSources(); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Name,Doc,Dir,Standard,GoFiles,Imports,Deps,Module", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New("go list: " + err.Error() + ": " + stderr.String())
	}
	all := map[string]*listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		if err := dec.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all[p.ImportPath] = p
	}
})

func all(t *testing.T) map[string]*listed {
	t.Helper()
	p, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// our returns this module's packages by their path within it.
func our(t *testing.T) map[string]*listed {
	t.Helper()
	ours := map[string]*listed{}
	for _, p := range all(t) {
		if p.ours() {
			ours[p.short()] = p
		}
	}
	if len(ours) < 15 {
		t.Fatalf("go list names %d packages of ours", len(ours))
	}
	return ours
}

func get(t *testing.T, name string) *listed {
	t.Helper()
	p := our(t)[name]
	if p == nil {
		t.Fatalf("there is no package %q", name)
	}
	return p
}

// TestRootImportsStandardLibraryOnly keeps the vocabulary free of everything
// that it is the vocabulary of.
func TestRootImportsStandardLibraryOnly(t *testing.T) {
	known := all(t)
	for _, path := range get(t, "").Deps {
		if p := known[path]; p != nil && !p.Standard {
			t.Errorf("the root package depends on %s", path)
		}
	}
}

// pure are the packages whose results depend on their arguments alone, with
// what they may depend on beside the standard library.
var pure = map[string][]string{
	"":                    {},
	"internal/glob":       {},
	"internal/sqllex":     {},
	"internal/annotation": {module + "/internal/sqllex"},
	"internal/tool":       {module, module + "/internal/annotation", module + "/internal/sqllex"},
	"internal/team":       {module, module + "/internal/glob"},
	"internal/sqlref":     {module + "/internal/sqllex"},
	"internal/redact":     {module, module + "/internal/annotation", module + "/internal/sqllex", module + "/internal/sqlref"},
	"internal/price":      {module},
	"internal/limit":      {module, module + "/internal/glob"},

	"internal/digest/chain": {},
	// A bill is read from CSV or Parquet; who opens the file is another's.
	"internal/bill": {
		module, module + "/internal/price", "github.com/parquet-go/", "github.com/klauspost/compress/", "github.com/klauspost/compress", "github.com/andybalholm/brotli",
		"github.com/andybalholm/brotli/", "github.com/pierrec/lz4/", "github.com/google/uuid", "github.com/twpayne/go-geom", "github.com/twpayne/go-geom/",
		"google.golang.org/protobuf/", "golang.org/x/sys/cpu",
	},
	"internal/anomaly":  {module, module + "/internal/glob", module + "/internal/limit"},
	"internal/estimate": {module, module + "/internal/price", module + "/internal/sqllex", module + "/internal/sqlref"},
	"internal/identity": {
		module, module + "/internal/annotation", module + "/internal/glob", module + "/internal/spelling", module + "/internal/sqllex",
	},
	// Derive decodes the records that the lake stores, with the decoder of
	// log files, which stands on an inflater and on the CPU's features.
	"internal/derive": {
		module, module + "/cloudtrail", module + "/internal/annotation", module + "/internal/glob", module + "/internal/identity",
		module + "/internal/price", module + "/internal/spelling", module + "/internal/sqllex", module + "/internal/sqlref", module + "/internal/team",
		module + "/internal/tool",
		module + "/internal/inflate", module + "/internal/jsonskip",
		"github.com/klauspost/compress/", "golang.org/x/sys/cpu",
	},
}

// impure are imports by which a result can depend on something else.
var impure = []string{"os", "os/exec", "net", "net/http", "syscall", "io/ioutil", "path/filepath", "crypto/rand", "math/rand", "math/rand/v2", "log", "log/slog"}

func TestPurePackagesReachNothing(t *testing.T) {
	known := all(t)
	for name, allowed := range pure {
		p := get(t, name)
		for _, path := range p.Imports {
			if slices.Contains(impure, path) {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
		for _, path := range p.Deps {
			if d := known[path]; d == nil || d.Standard {
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool {
				return path == a || strings.HasSuffix(a, "/") && strings.HasPrefix(path, a)
			}) {
				t.Errorf("%s depends on %s", p.ImportPath, path)
			}
		}
	}
}

// TestPurePackagesReadNoClock looks for the functions of time that tell one.
func TestPurePackagesReadNoClock(t *testing.T) {
	clocks := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}
	files := 0
	for name := range pure {
		p := get(t, name)
		for _, file := range p.GoFiles {
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files++
			ast.Inspect(parsed, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" && slices.Contains(clocks, sel.Sel.Name) {
					t.Errorf("%s: time.%s", set.Position(n.Pos()), sel.Sel.Name)
				}
				return true
			})
		}
	}
	if files < 15 {
		t.Errorf("looked at %d files", files)
	}
}

// TestAWSIsImportedAtItsDoorsOnly lists who may speak the SDK's types.
func TestAWSIsImportedAtItsDoorsOnly(t *testing.T) {
	doors := map[string]string{
		"internal/awsconn":        "credentials, roles, and AWS's errors in plain words",
		"internal/source":         "log files in S3, and queues that announce them",
		"internal/lake":           "a lake in S3",
		"internal/config":         "a configuration in S3 or the parameter store",
		"internal/lookup":         "CloudTrail's event history",
		"internal/digest":         "digest files in S3, and CloudTrail's public keys",
		"internal/athenaapi":      "what Athena knows of query executions and sessions",
		"internal/engine":         "statements of reports that Athena runs",
		"internal/catalog":        "the tables of the Glue Data Catalog, and who holds access by Lake Formation",
		"internal/directory":      "the users of Identity Center, the accounts of an organization",
		"internal/notify/carrier": "topics of SNS",
		"internal/enforce":        "what stops and blocks: Athena and IAM",
		"internal/setup":          "it gives the client of S3 to those who asked for one",
		"internal/cli":            "the demo's invented credentials",
		"cmd/athenatrail-lambda":  "the Lambda runtime, and the state machine that it starts",
		"internal/scale":          "the clients of the models of S3 and Athena that it reckons with",
		"internal/s3test":         "a client of the S3 server that tests start",
		"internal/mototest":       "clients of the moto server that tests start",
	}
	isSDK := func(path string) bool {
		return strings.HasPrefix(path, "github.com/aws/") // the SDK, and smithy-go below it
	}
	for name, p := range our(t) {
		uses := slices.ContainsFunc(p.Imports, isSDK)
		switch _, door := doors[name]; {
		case uses && !door:
			t.Errorf("%s imports the SDK of AWS: %v", p.ImportPath, slices.DeleteFunc(slices.Clone(p.Imports), func(s string) bool { return !isSDK(s) }))
		case door && !uses:
			t.Errorf("%s no longer imports the SDK of AWS: take it off the list", p.ImportPath)
		}
	}
	for name := range doors {
		get(t, name)
	}
}

// TestDuckDBIsLinkedByReportsOnly keeps collecting and deriving pure Go.
func TestDuckDBIsLinkedByReportsOnly(t *testing.T) {
	isDuckDB := func(path string) bool { return strings.HasPrefix(path, "github.com/duckdb/") }
	for name, p := range our(t) {
		imports := slices.ContainsFunc(p.Imports, isDuckDB)
		links := slices.ContainsFunc(p.Deps, isDuckDB)
		switch name {
		case "internal/report":
			if !imports {
				t.Errorf("%s does not import DuckDB: is the fence looking for the right module?", p.ImportPath)
			}
		case "internal/bench":
			// A program of its own, which compares with DuckDB's read_json.
		case "internal/cli", "cmd/athenatrail", "internal/evidence", "internal/health", "internal/web":
			if imports {
				t.Errorf("%s imports DuckDB", p.ImportPath)
			}
		default:
			if links {
				t.Errorf("%s depends on DuckDB", p.ImportPath)
			}
		}
	}
}

// TestOnlyTheCommandLineIsOnTop keeps the arrows of ARCHITECTURE.md pointing
// one way.
func TestOnlyTheCommandLineIsOnTop(t *testing.T) {
	for name, p := range our(t) {
		for _, path := range p.Imports {
			if short(path) == "internal/cli" && name != "cmd/athenatrail" {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
			if short(path) == "internal/demo" && name != "internal/cli" && name != "internal/bench" {
				t.Errorf("%s imports %s, which invents data", p.ImportPath, path)
			}
		}
	}
}

func TestPackagesHaveCommentsAndNames(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared", "base", "lib"}
	for _, p := range our(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, name := range []string{p.Name, filepath.Base(p.ImportPath)} {
			if slices.Contains(vague, name) {
				t.Errorf("%s: %q says nothing of what is in it", p.ImportPath, name)
			}
		}
	}
}
