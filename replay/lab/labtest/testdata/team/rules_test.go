package team

import (
	"testing"

	"github.com/ctdiff/ctdiff/replay/lab/labtest"
)

func FuzzRules(f *testing.F) {
	labtest.Fuzz(f, labtest.Rules(f, "rules.txt"))
}
