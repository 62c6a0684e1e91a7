// Package deploy has no code: it is the tests of the templates and definitions
// in this folder.
package deploy
