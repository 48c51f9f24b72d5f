//! A server of S3 in this process: `s3s` on a directory, behind a door that can fail.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use velella_archive::{Bucket, BucketConfig};

pub(crate) const BUCKET: &str = "recordings";
pub(crate) const KEY: &str = "velella";
pub(crate) const SECRET: &str = "a-secret-of-tests";

/// Until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    directory: PathBuf,
    pub(crate) door: Arc<Door>,
    task: JoinHandle<()>,
}

/// What comes to the server, and what it refuses.
#[derive(Default)]
pub(crate) struct Door {
    /// Methods, paths and queries of requests, in the order in which they came.
    log: Mutex<Vec<String>>,
    /// Requests in which this stands get this answer.
    refused: Mutex<Option<(String, u16, String)>>,
}

impl Server {
    pub(crate) async fn start(directory: &Path) -> Self {
        std::fs::create_dir_all(directory.join(BUCKET)).unwrap();
        Self::listen("127.0.0.1:0".parse().unwrap(), directory, Arc::default()).await
    }

    /// The same address and objects, and no connections.
    pub(crate) async fn restart(self) -> Self {
        let (address, directory, door) = (self.address, self.directory.clone(), self.door.clone());
        self.task.abort();
        // Its socket is closed when the task is gone.
        drop(self);
        Self::listen(address, &directory, door).await
    }

    async fn listen(address: SocketAddr, directory: &Path, door: Arc<Door>) -> Self {
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        let address = listener.local_addr().unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(directory).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let task = tokio::spawn(serve(listener, service.build(), door.clone()));
        Self { address, directory: directory.to_owned(), door, task }
    }

    pub(crate) fn bucket(&self, change: impl FnOnce(&mut BucketConfig)) -> Bucket {
        let mut config = BucketConfig {
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            access_key_id: KEY.to_owned(),
            secret_access_key: SECRET.parse().unwrap(),
            prefix: "from/velella".to_owned(),
        };
        change(&mut config);
        Bucket::new(&config).unwrap()
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.directory.join(BUCKET).join(key)).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    pub(crate) fn refuse(&self, requests: &str, status: u16, code: &str) {
        *self.refused.lock().unwrap() = Some((requests.to_owned(), status, code.to_owned()));
    }

    pub(crate) fn open(&self) {
        *self.refused.lock().unwrap() = None;
    }

    /// How many requests came since the last time in which this stands.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|request| request.contains(what)).count()
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    /// The answer, when it is none of the server's.
    fn pass(&self, request: &Request<Incoming>) -> Option<Response<s3s::Body>> {
        let line = format!("{} {}", request.method(), request.uri());
        let refused = self.refused.lock().unwrap().clone();
        let refused = refused.filter(|(requests, ..)| line.contains(requests));
        self.log.lock().unwrap().push(line);
        let (_, status, code) = refused?;
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test</Message></Error>");
        Some(Response::builder().status(status).body(s3s::Body::from(body)).unwrap())
    }
}

async fn serve(listener: TcpListener, service: S3Service, door: Arc<Door>) {
    // Connections go with the server.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (service, door) = (service.clone(), door.clone());
        let answer = service_fn(move |request: Request<Incoming>| {
            let (service, door) = (service.clone(), door.clone());
            async move {
                match door.pass(&request) {
                    Some(answer) => {
                        // All of it is read, as a server does that fails behind its proxy.
                        let _: Bytes = request.into_body().collect().await.unwrap().to_bytes();
                        Ok(answer)
                    }
                    None => hyper::service::Service::call(&service, request).await,
                }
            }
        });
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
    }
}
