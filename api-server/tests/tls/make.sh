#!/bin/sh
# Makes the certificates of the tests anew: an authority, and two of its servers, valid for a hundred years.
set -eu
cd "$(dirname "$0")"
openssl ecparam -name prime256v1 -genkey -noout -out ca.key
openssl req -x509 -new -key ca.key -days 36500 -subj '/CN=Tests of Mainstay' -out ca.pem \
  -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign'
for name in one two; do
  openssl ecparam -name prime256v1 -genkey -noout -out $name.sec1
  openssl pkcs8 -topk8 -nocrypt -in $name.sec1 -out $name.key
  openssl req -new -key $name.key -subj "/CN=$name" -out $name.csr
  printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' > $name.ext
  openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 36500 -extfile $name.ext -out $name.pem
done
rm -f ca.key ca.srl ./*.csr ./*.ext ./*.sec1
