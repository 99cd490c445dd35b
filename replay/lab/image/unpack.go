package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"
)

// unpack extracts a tar stream into a directory: what rename returns a name
// for, under that name. Owners are ours, and everybody may read everything;
// no program runs as somebody else.
// A name or link that leads out of the directory is an error.
func unpack(from io.Reader, dir string, rename func(name string) string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(from)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name := rename(cleanName(h.Name))
		if name == "" || name == "." {
			continue
		}
		if h.Typeflag == tar.TypeLink {
			if h.Linkname = rename(cleanName(h.Linkname)); h.Linkname == "" {
				continue
			}
		}
		if err := unpackOne(root, name, h, archive); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
	}
}

// cleanName turns "./usr/bin/" into "usr/bin".
func cleanName(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func unpackOne(root *os.Root, name string, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		mode := fs.FileMode(0o644)
		if h.Mode&0o111 != 0 {
			mode = 0o755
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		// make goes by times: shipped files are newer than what they are
		// generated from.
		return root.Chtimes(name, h.ModTime, h.ModTime)
	case tar.TypeSymlink:
		if err := root.Symlink(h.Linkname, name); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case tar.TypeLink:
		return root.Link(h.Linkname, name)
	}
	return nil // A guest makes its own devices.
}

// unpackDeb extracts a package's files.
func unpackDeb(ctx context.Context, s *step, file, dir string, rename func(string) string) error {
	return pipe(ctx, func(ctx context.Context, w io.Writer) error {
		return s.run(ctx, command{argv: []string{"dpkg-deb", "--fsys-tarfile", file}, stdout: w})
	}, func(r io.Reader) error {
		return unpack(r, dir, rename)
	})
}

// unpackSource extracts the tree inside a linux-source package, a
// usr/src/linux-source-*.tar.xz, without its topmost directory.
func unpackSource(ctx context.Context, s *step, file string, size int64, dir string) error {
	strip := func(name string) string {
		_, name, _ = strings.Cut(name, "/")
		if !wantSource(name) {
			return ""
		}
		return name
	}
	return pipe(ctx, func(ctx context.Context, w io.Writer) error {
		return s.run(ctx, command{argv: []string{"dpkg-deb", "--fsys-tarfile", file}, stdout: w})
	}, func(r io.Reader) error {
		inner, err := findSource(r)
		if err != nil {
			return err
		}
		counted := &countReader{r: inner, report: func(n int64) { s.advance(float64(n) / float64(size)) }}
		err = pipe(ctx, func(ctx context.Context, w io.Writer) error {
			return s.run(ctx, command{argv: []string{"xz", "-dc", "-T0"}, stdin: counted, stdout: w})
		}, func(r io.Reader) error {
			return unpack(r, dir, strip)
		})
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	})
}

// findSource reads up to the compressed tree in a linux-source package.
func findSource(r io.Reader) (io.Reader, error) {
	outer := tar.NewReader(r)
	for {
		h, err := outer.Next()
		if err != nil {
			return nil, fmt.Errorf("find the source in the package: %w", err)
		}
		if strings.HasSuffix(h.Name, ".tar.xz") {
			return outer, nil
		}
	}
}

// pipe connects a writer and a reader; the error is that of whichever failed
// first. The rest of a stream that was read to its end is discarded, as tar
// pads it.
func pipe(ctx context.Context, write func(context.Context, io.Writer) error, read func(io.Reader) error) error {
	group, ctx := errgroup.WithContext(ctx)
	r, w := io.Pipe()
	group.Go(func() error {
		err := write(ctx, w)
		w.CloseWithError(err)
		return err
	})
	group.Go(func() error {
		err := read(r)
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		r.CloseWithError(err)
		return err
	})
	return group.Wait()
}

type countReader struct {
	r      io.Reader
	n      int64
	report func(int64)
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.report(c.n)
	return n, err
}
