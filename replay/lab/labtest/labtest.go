// Package labtest is for tests that need the lab.
package labtest

import (
	"os"
	"testing"

	"github.com/ctdiff/ctdiff/replay/lab"
	"github.com/ctdiff/ctdiff/replay/lab/image"
)

// RequireEnv is the environment variable that, if it is 1, has a test fail
// where it would be skipped for want of a lab.
const RequireEnv = "CTDIFF_REQUIRE_LAB"

// Image returns the image of a profile. If that is not built, the test is
// skipped, or fails if [RequireEnv] says so.
func Image(t testing.TB, profile string) image.Image {
	t.Helper()
	return imageOf(t, image.Spec{Profile: profile})
}

func imageOf(t testing.TB, spec image.Spec) image.Image {
	t.Helper()
	img, err := image.Find(spec)
	switch {
	case err == nil:
		return img
	case os.Getenv(RequireEnv) == "1":
		t.Fatal(err)
	default:
		t.Skip("needs the lab: ", err)
	}
	return image.Image{}
}

// Bridge returns a bridge of a profile, which is closed when the test ends.
func Bridge(t testing.TB, profile, name string) *lab.Bridge {
	t.Helper()
	b, err := lab.Open(t.Context(), Image(t, profile), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}
