package digest

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzFiles reads any file as one of public keys, and as metadata that lies
// beside a digest.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"PublicKeyList":[{"Value":"MIIBCgKCAQEA","Fingerprint":"x","ValidityStartTime":1.7e9,"ValidityEndTime":"2027-01-01T00:00:00+00:00"}]}`))
	f.Add([]byte(`{"PublicKeyList":[{"ValidityStartTime":1e308,"ValidityEndTime":-1e308}]}{}`))
	f.Add([]byte(`{"Metadata":{"Signature":"00","SIGNATURE":"11","x":null}}`))
	f.Add([]byte(`{"PublicKeyList":null} null [] 7`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(dir, "keys.json")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := ReadKeys(name)
		if (err == nil) != (keys != nil) {
			t.Fatalf("keys %v with %v", keys, err)
		}
		if keys != nil {
			for fingerprint := range keys.(given) {
				if _, err := keys.Key(t.Context(), "eu-west-1", fingerprint, time.Unix(1.7e9, 0)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if m, err := readSidecar(name); (err == nil) != (m != nil) {
			t.Fatalf("metadata %v with %v", m, err)
		}
	})
}
